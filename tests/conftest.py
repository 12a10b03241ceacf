"""What all tests share: the environment, and how hard Hypothesis looks.

``pytest --hypothesis-profile=thorough`` before a release.
"""

import os
from importlib.util import find_spec

from hypothesis import HealthCheck, settings

# pytest-xdist tells its processes how wide the terminal is; commands under test would fold tables.
os.environ.pop("COLUMNS", None)

# On a shared machine an example may take a second without being slow: no deadline.
settings.register_profile(
    "default",
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # A red run must be red again for whoever looks into it.
    derandomize="CI" in os.environ,
    database=None if "CI" in os.environ else settings.get_profile("default").database,
)
settings.register_profile(
    "thorough",
    parent=settings.get_profile("default"),
    max_examples=5_000,
    stateful_step_count=50,
    derandomize=False,
    print_blob=True,
)
settings.load_profile("default")

# Its own tox environment has it; `tox -e schemathesis` fails if it collects nothing.
collect_ignore = [] if find_spec("schemathesis") else ["schemathesis"]
