"""A deploy: a plan walked by `rollout.py`; push, rollback, repair and adopt make plans for it or read its ends.

Imports the gate through `judge.py` and `bake.py` alone.
"""
