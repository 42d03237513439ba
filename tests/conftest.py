"""Shapes and types in signatures are checked at run time here, and only here."""

import beartype
from jaxtyping import install_import_hook

typechecker = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # an int will do for a float
install_import_hook("lib", f"{__name__}.typechecker")
