"""deployer: versioned cache configurations, pushed in waves, watched, and undone when something regresses."""

__version__ = "0.1.0"
