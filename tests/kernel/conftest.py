"""The tests of this folder share the second implementations in naive.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
