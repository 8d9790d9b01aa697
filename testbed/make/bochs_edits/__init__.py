# SPDX-License-Identifier: GPL-2.0-only
"""What is changed in Bochs' sources before they are compiled, a subject a module."""

from testbed.make.bochs_edits.determinism import DETERMINISM
from testbed.make.bochs_edits.edit import Edit
from testbed.make.bochs_edits.ept5 import EPT5
from testbed.make.bochs_edits.fork import FORK
from testbed.make.bochs_edits.la57 import LA57
from testbed.make.bochs_edits.platform import PLATFORM
from testbed.make.bochs_edits.seam import SEAM
from testbed.make.bochs_edits.tme import TME

__all__ = ["EDITS", "Edit"]

EDITS: tuple[Edit, ...] = (*PLATFORM, *DETERMINISM, *EPT5, *LA57, *TME, *SEAM, *FORK)
