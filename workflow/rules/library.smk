"""Puts the library on the path, and has mistakes said in its words from here on: before config.yaml is read."""

import os
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir).resolve() / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from trainsize.common.errors import UserError
from trainsize.study.config import check_file

# A working folder elsewhere (--directory) may have settings of its own.
CONFIG = "config.yaml" if os.path.lexists("config.yaml") else f"{workflow.basedir}/config.yaml"

try:
    check_file(Path(CONFIG), needed=not workflow.config_settings.configfiles)
except UserError as error:
    sys.exit(str(error))
