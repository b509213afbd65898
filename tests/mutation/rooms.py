"""What is mutated, and the tests that have to notice: those that run in this process, and not for long."""

from __future__ import annotations

Room = tuple[list[str], list[str]]  # files, tests


def _room(folder: str, files: str, tests: str, *more: str) -> Room:
    """Files of a folder, tests of the folder of the same name, and the examples in these files."""
    paths = [f"debias_pt/{folder}/{name}.py" for name in files.split()]
    return paths, [*(f"tests/{folder}/test_{name}.py" for name in tests.split()), *more]


RUN_FOLDER = (
    "a_checkpoint_of_another_run_is_refused history_drops_a_line_cut_short_by_a_kill "
    "newest_takes_finished_runs_by_time folders_of_other_tools_are_passed_over what_may_move_and_what_may_not "
    "the_first_difference_is_named writing_fails_whole_with_the_old_file_in_place tensors_round_trip_with_their_header"
)

PAST_MEMORY = (
    "a_fit_from_the_file_is_the_fit_from_memory what_fits_is_a_full_batch_and_nothing_is_said "
    "an_epoch_in_blocks_has_every_row_once_and_batches_lie_together small_batches_validate_when_they_saw_as_many_rows"
)

ROOMS: dict[str, Room] = {
    "reweighting": (["debias_pt/reweighting/*.py"], ["tests/reweighting", "debias_pt/reweighting"]),
    "losses": (["debias_pt/losses/*.py"], ["tests/losses", "debias_pt/losses"]),
    "metrics": _room(
        "groups", "metrics intervals paired groups", "metrics intervals groups values group_values", "debias_pt/groups"
    ),
    "probe": _room(
        "groups",
        "probe probe_report inferred_groups refinement/*",
        "probe values group_values refinement anchored inferred refined_values",
        "debias_pt/groups",
    ),
    "selection": _room(
        "training", "selection run_group", "training values hand_values fit_together", "debias_pt/training"
    ),
    "training": _room(
        "training",
        "loop data optimizer stacking tuner fit_plan fit_checks",
        "training values hand_values fit_together tuner_inputs",
        *(f"tests/training/test_past_memory.py::test_{t}" for t in PAST_MEMORY.split()),
        "debias_pt/training",
    ),
    "cache": _room(
        "features",
        "cache table claims merging",
        "cache_mapping features values merging mapped table_values",
        "tests/features/test_encoding.py::test_a_held_block_is_left_to_the_others",
        "debias_pt/features",
    ),
    "runs": _room(
        "workflows",
        "run_folder",
        "run_values",
        *(f"tests/workflows/test_run_folder.py::test_{t}" for t in RUN_FOLDER.split()),
    ),
    "export": _room("workflows", "export", "export"),
}
