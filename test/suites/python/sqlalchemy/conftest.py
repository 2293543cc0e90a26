"""SQLAlchemy's suite for dialects, set up as README.dialects.rst of SQLAlchemy asks for."""

import importlib.util
import os

import pytest

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402,F401,F403

spec = importlib.util.spec_from_file_location("report", os.path.join(os.path.dirname(__file__), "..", "conftest.py"))
report = importlib.util.module_from_spec(spec)
spec.loader.exec_module(report)
pytest_runtest_logreport = report.pytest_runtest_logreport
