"""The screens of the monitor, and the dialogs over them."""
