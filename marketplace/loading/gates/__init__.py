"""Gates: a batch is measured (`quality_metrics`) and compared with the platform's recent runs
(`gate`). A batch that differs is held, until a person releases or discards it.
"""
