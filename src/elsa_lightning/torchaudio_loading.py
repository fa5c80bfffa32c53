"""Let torchaudio load beside a CPU-only torch.

torchaudio's Linux wheel is linked to CUDA, so `import torchaudio` (and with it transformers' CLAP) fails where torch is a CPU build. Its
compiled extension is needed by functions that this package never calls. `install` puts an import hook in front that replaces that one
module when its library cannot be loaded, and stands aside where torch has CUDA or HIP. Nothing is imported until torchaudio is.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.machinery
import pathlib
import sys

_EXTENSION = "torchaudio._extension"


class _AbsentExtension(importlib.abc.Loader):
    """Stands for torchaudio's compiled extension: the flags say that it is absent, and what needs it says so when called."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        def fail_if_no_align(func):
            def missing(*args, **kwargs):
                raise RuntimeError(
                    f"torchaudio's {func.__name__} needs its compiled extension, which does not load beside this CPU-only torch"
                )

            return missing

        module._IS_TORCHAUDIO_EXT_AVAILABLE = False
        module._IS_ALIGN_AVAILABLE = False
        module._check_cuda_version = lambda: None
        module._load_lib = lambda lib: False
        module.fail_if_no_align = fail_if_no_align


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != _EXTENSION or not path:
            return None
        import torch  # torchaudio has imported it by now

        if torch.version.cuda or torch.version.hip:
            return None
        for library in pathlib.Path(next(iter(path))).glob("lib/_torchaudio*.so"):
            try:
                ctypes.CDLL(str(library))
            except OSError:
                return importlib.machinery.ModuleSpec(_EXTENSION, _AbsentExtension())
        return None


def install() -> None:
    """Put the hook in front of the importers, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
