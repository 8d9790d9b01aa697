# SPDX-License-Identifier: GPL-2.0-only
"""What is changed in Bochs' sources before they are compiled, a subject a module."""

from testbed.bochs_edits.determinism import DETERMINISM
from testbed.bochs_edits.edit import Edit
from testbed.bochs_edits.ept5 import EPT5
from testbed.bochs_edits.la57 import LA57
from testbed.bochs_edits.platform import PLATFORM
from testbed.bochs_edits.seam import SEAM
from testbed.bochs_edits.tme import TME

__all__ = ["EDITS", "Edit"]

EDITS: tuple[Edit, ...] = (*PLATFORM, *DETERMINISM, *EPT5, *LA57, *TME, *SEAM)
