"""Floor 3: how the ports of the engine are satisfied, in wings. None of them imports the engine.

Which wing imports which other one is said in its own head, and held by a test.
"""
