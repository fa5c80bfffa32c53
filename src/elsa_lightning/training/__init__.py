"""LightningModules that wrap the models with their losses, and what a training run needs around them."""
