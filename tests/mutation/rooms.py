"""What is mutated, and the tests that have to notice."""

from __future__ import annotations

ROOMS: dict[str, tuple[list[str], list[str]]] = {  # files, tests
    "reweighting": (["debias_pt/reweighting/*.py"], ["tests/reweighting", "debias_pt/reweighting"]),
    "losses": (["debias_pt/losses/*.py"], ["tests/losses", "debias_pt/losses"]),
    "metrics": (
        [f"debias_pt/groups/{name}.py" for name in ("metrics", "intervals", "paired", "groups", "attribute_effect")],
        ["tests/groups", "debias_pt/groups"],
    ),
    "probe": (
        ["debias_pt/groups/probe*.py", "debias_pt/groups/inferred_groups.py", "debias_pt/groups/refinement/*.py"],
        ["tests/groups", "debias_pt/groups"],
    ),
    "training": (
        [
            f"debias_pt/training/{name}.py"
            for name in (
                *("selection", "data", "loop", "run_group", "optimizer"),
                *("ensemble", "gradients", "stacking", "tuner", "fit_checks"),
            )
        ],
        ["tests/training", "debias_pt/training"],
    ),
    "cache": (
        ["debias_pt/features/cache.py", "debias_pt/features/table.py", "debias_pt/features/loader.py"],
        ["tests/features", "debias_pt/features"],
    ),
    "runs": (
        ["debias_pt/workflows/run_folder.py", "debias_pt/workflows/evaluate.py"],
        ["tests/workflows/test_run_folder.py", "tests/workflows/test_evaluate.py"],
    ),
    "export": (["debias_pt/workflows/export.py"], ["tests/workflows/test_export.py"]),
}
