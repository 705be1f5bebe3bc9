"""System checks: of models, platforms and settings (`project`), and of adapters (`adapters`)."""
