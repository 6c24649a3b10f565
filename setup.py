"""Everything about the package stands in setup.cfg; pip needs this file to find it."""

from setuptools import setup

setup()
