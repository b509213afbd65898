"""What is mutated, and the tests that have to notice: those that run in this process, and not for long."""

from __future__ import annotations

Room = tuple[list[str], list[str]]  # files, tests


def _room(folder: str, files: str, tests: str, *more: str) -> Room:
    """Files of a folder, tests of the folder of the same name, and the examples in these files."""
    paths = [f"debias_pt/{folder}/{name}.py" for name in files.split()]
    return paths, [*(f"tests/{folder}/test_{name}.py" for name in tests.split()), *more]


RUN_FOLDER = (
    "history_drops_a_line_cut_short_by_a_kill the_first_difference_is_named "
    "writing_fails_whole_with_the_old_file_in_place tensors_round_trip_with_their_header a_folder_holds_one_run "
    "what_was_learned_comes_back another_backbone_is_refused what_makes_the_same_work "
    "every_file_names_the_run_it_belongs_to facts_are_written_once_and_compared_after "
    "of_two_processes_that_begin_at_once_one_makes_the_run one_process_writes names_of_new_folders "
    "the_newest_run_of_each_kind what_is_no_run_of_ours_is_passed_over where_no_run_can_start"
)

PAST_MEMORY = (
    "a_fit_from_the_file_is_the_fit_from_memory what_fits_is_a_full_batch_and_nothing_is_said "
    "an_epoch_in_blocks_has_every_row_once_and_batches_lie_together what_is_needed_and_what_is_free"
)

ROOMS: dict[str, Room] = {
    "reweighting": (["debias_pt/reweighting/*.py"], ["tests/reweighting", "debias_pt/reweighting"]),
    "losses": (["debias_pt/losses/*.py"], ["tests/losses", "debias_pt/losses"]),
    "metrics": _room("groups", "metrics intervals paired groups", "metrics intervals groups", "debias_pt/groups"),
    "probe": _room(
        "groups",
        "probe probe_report inferred_groups refinement/*",
        "probe refinement mixture anchored inferred",
        "debias_pt/groups",
    ),
    "selection": _room(
        "training", "selection run_group", "training selection run_group fit_together", "debias_pt/training"
    ),
    "training": _room(
        "training",
        "loop data optimizer stacking tuner fit_plan fit_checks",
        "training data optimizer run_group tuner fit_checks fit_together tuner_inputs",
        *(f"tests/training/test_past_memory.py::test_{t}" for t in PAST_MEMORY.split()),
        "debias_pt/training",
    ),
    "cache": _room(
        "features",
        "cache table claims merging",
        "cache cache_mapping table merging mapped",
        "tests/features/test_encoding.py::test_a_held_block_is_left_to_the_others",
        "debias_pt/features",
    ),
    "runs": _room(
        "workflows",
        "run_folder",
        "",
        *(f"tests/workflows/test_run_folder.py::test_{t}" for t in RUN_FOLDER.split()),
    ),
    "export": _room("workflows", "export", "export"),
}
