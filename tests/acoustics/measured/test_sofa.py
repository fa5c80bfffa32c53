"""SOFA files, written by sofar (and one by hand): directions as the listener sees them; what is no room in ambisonics is refused."""

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.ambisonics import rotate
from elsa_lightning.acoustics.bank import MEASURED
from elsa_lightning.acoustics.measured.importing import import_folder
from elsa_lightning.acoustics.measured.table import Stated
from elsa_lightning.errors import DataError

from .exports import RATE, ROOMS, TARGET, angle_deg, in_layout, offsets, write_sofa

h5py = pytest.importorskip("h5py")
N3D = Stated(layout="acn_n3d")


def imported(folder, stated=N3D):
    return import_folder(folder, TARGET, stated, "test").banks["test"]


def turns():
    """Ways for a listener to look: ahead, to the left, at the ceiling, upside down, and two drawn ones."""
    yield np.eye(3)
    yield np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    yield np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
    yield np.diag([1.0, -1, -1])
    for seed in range(2):
        q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
        yield q * np.sign(np.linalg.det(q))


@pytest.mark.parametrize("kind", ["cartesian", "spherical"])
@pytest.mark.parametrize("turn", list(turns()))
def test_directions_are_those_that_the_listener_sees(tmp_path, truth, turn, kind):
    rir = np.stack([in_layout(0.1 * one, "acn_n3d") for one in truth.rir])
    write_sofa(tmp_path / "hall.sofa", rir, offsets(truth), turn, kind=kind)
    bank = imported(tmp_path)
    assert angle_deg(bank, truth).max() < 0.01
    assert torch.allclose(bank.labels["distance_m"], truth.labels["distance_m"], rtol=1e-4)
    assert (bank.labels["t30_s"] / truth.labels["t30_s"] - 1).abs().max() < 0.005
    assert bank.labels["floor_area_m2"].isnan().all() and bank.labels["volume_m3"].isnan().all()


def test_a_listener_who_turns_while_the_room_stays(tmp_path, truth):
    """The same source, heard by a microphone that was turned: channels and labels turn together, and the sound agrees."""
    turn = list(turns())[4]
    heard = rotate(torch.from_numpy(truth.rir), torch.from_numpy(turn.T.copy())[None].expand(6, 3, 3)).numpy()
    rir = np.stack([in_layout(one, "acn_n3d") for one in heard])
    write_sofa(tmp_path / "hall.sofa", rir, offsets(truth) @ turn, turn)
    bank = imported(tmp_path)
    errors = [one["direction_error_deg"] for one in bank.source[MEASURED]["responses"]]
    assert max(errors) < 3 and angle_deg(bank, truth).max() > 20


def test_one_listener_and_source_for_all_and_more_channels(tmp_path, truth):
    third = np.concatenate([in_layout(truth.rir[0], "acn_n3d"), np.zeros((12, truth.rir.shape[2]))])[None]

    def box(sofa):
        sofa.RoomVolume, sofa.RoomCornerA, sofa.RoomCornerB = 60.0, np.array([[-5.0, -5, -1]]), np.array([[5.0, 1, 0]])
        sofa.GLOBAL_RoomShortName = "vault"

    write_sofa(tmp_path / "a.sofa", third, offsets(truth)[:1], listener=(0.0, 0.0, -0.5))

    def inside(sofa):
        box(sofa)
        sofa.RoomCornerA, sofa.RoomCornerB, sofa.RoomVolume = np.array([[-5.0, -5, -5]]), np.array([[5.0, 5, 5]]), 1000.0

    write_sofa(tmp_path / "b.sofa", third, offsets(truth)[:1], listener=(0.0, 0.0, -0.5), change=inside)
    bank = imported(tmp_path)
    assert bank.labels["floor_area_m2"].isnan().tolist() == [True, False]  # 1 × 2 × 3 m is nobody's room
    assert bank.labels["floor_area_m2"][1] == 100 and bank.labels["volume_m3"][1] == 1000
    assert bank.source[MEASURED]["rooms"] == sorted([tmp_path.name, "vault"])


def test_ambisonics_drir_says_its_layout_itself(tmp_path, truth):
    """The convention of Pérez-López and De Muynke, which sofar does not write: data of (M, R, E, N), layout as attributes."""
    with h5py.File(tmp_path / "drir.sofa", "w") as file:
        file.attrs.update({"Conventions": "SOFA", "SOFAConventions": "AmbisonicsDRIR", "DataType": "FIRE", "AmbisonicsOrder": 1})
        file["Data.IR"] = truth.rir[:, :, None, :].astype(np.float64)
        file["Data.IR"].attrs.update({"ChannelOrdering": np.bytes_("acn"), "Normalization": "sn3d"})
        file["Data.SamplingRate"] = [float(RATE)]
        file["SourcePosition"] = offsets(truth)
        file["ListenerPosition"], file["ListenerView"], file["ListenerUp"] = [
            np.array([v]) for v in ([0.0, 0, 0], [1.0, 0, 0], [0.0, 0, 1])
        ]
        for name in ("SourcePosition", "ListenerPosition", "ListenerView"):
            file[name].attrs.update({"Type": "cartesian", "Units": "metre"})
    bank = imported(tmp_path, Stated())
    assert angle_deg(bank, truth).max() < 0.01 and len(bank) == 6
    assert (bank.labels["t30_s"] / truth.labels["t30_s"] - 1).abs().max() < 0.005


def test_noise_in_a_sofa_file(tmp_path, truth):
    rng = np.random.default_rng(0)
    peak = np.abs(truth.rir[:, :1]).max(2, keepdims=True)
    noisy = np.stack([in_layout(one, "acn_n3d") for one in truth.rir]) + 10 ** (-75 / 20) * peak * rng.standard_normal(truth.rir.shape)
    write_sofa(tmp_path / "hall.sofa", noisy, offsets(truth))
    bank = imported(tmp_path)
    known = bank.labels["t30_s"].isfinite()
    assert known.sum() >= 3 and (bank.labels["t30_s"] / truth.labels["t30_s"] - 1)[known].abs().max() < 0.02


def test_a_microphone_array_is_not_ambisonics(tmp_path, truth):
    def capsules(sofa):
        sofa.ReceiverPosition = 0.01 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])

    write_sofa(tmp_path / "a.sofa", truth.rir, offsets(truth), change=capsules)
    with pytest.raises(DataError, match="stand at different places") as caught:
        imported(tmp_path)
    assert "capsules" in caught.value.remedy


def edited(path, edit):
    with h5py.File(path, "r+") as file:
        edit(file)


def attribute(name, value, variable=None):
    def edit(file):
        node = file if variable is None else file[variable]
        node.attrs[name] = value

    return edit


def without(name):
    def edit(file):
        del file[name]

    return edit


def values(name, change):
    def edit(file):
        file[name][...] = change(file[name][...])

    return edit


def turned_receivers(file):
    file["ReceiverView"][...] = np.broadcast_to(
        np.array([0.0, 1, 0]).reshape(1, 3, *(1,) * (file["ReceiverView"].ndim - 2)), file["ReceiverView"].shape
    )


FAULTS = [
    (attribute("SOFAConventions", "SimpleFreeFieldHRIR"), "its convention is SimpleFreeFieldHRIR; it holds no room"),
    (attribute("SOFAConventions", "FreeFieldDirectivityTF"), "it holds no room"),
    (attribute("SOFAConventions", "GeneralFIR"), "does not say what was measured where"),
    (attribute("Conventions", "netCDF"), "does not say that it is a SOFA file"),
    (attribute("DataType", "TF"), "its data are TF"),
    (without("Data.SamplingRate"), "it has no Data.SamplingRate"),
    (values("Data.SamplingRate", lambda rate: 0 * rate), r"its sampling rate is \[0\.0\]"),
    (without("SourcePosition"), "it has no SourcePosition"),
    (without("ListenerView"), "it has no ListenerView"),
    (attribute("Units", "feet", "SourcePosition"), "SourcePosition is in feet"),
    (attribute("Type", "cylindrical", "SourcePosition"), "SourcePosition is in cylindrical coordinates"),
    (values("ListenerUp", lambda up: np.array([[1.0, 0, 0]])), "point the same way"),
    (values("SourcePosition", lambda place: np.broadcast_to([1.0, 2.0, 1.5], place.shape)), "at the same place"),
    (values("Data.Delay", lambda delay: np.arange(4.0)[None]), "Data.Delay differs between the channels"),
    (turned_receivers, "receivers are turned"),
]


@pytest.mark.parametrize(("edit", "words"), FAULTS)
def test_a_faulty_file_is_named(tmp_path, truth, edit, words):
    edited(write_sofa(tmp_path / "hall.sofa", truth.rir, offsets(truth)), edit)
    with pytest.raises(DataError, match=f"hall.sofa.*{words}"):
        imported(tmp_path)


def test_channels_and_layout(tmp_path, truth):
    write_sofa(tmp_path / "two.sofa", truth.rir[:, :2], offsets(truth))
    with pytest.raises(DataError, match=r"two\.sofa\[0\]: it has 2 channel"):
        imported(tmp_path)
    (tmp_path / "two.sofa").unlink()
    write_sofa(tmp_path / "hall.sofa", truth.rir, offsets(truth))
    with pytest.raises(DataError, match="nothing says its channel layout"):
        imported(tmp_path, Stated())
    (tmp_path / "hall.sofa").write_bytes(b"not HDF5")
    with pytest.raises(DataError, match="no SOFA file"):
        imported(tmp_path)
    assert ROOMS.rir_s == TARGET.rir_s
