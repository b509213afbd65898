"""Mistakes made by hand that a suite which covers nearly every line once let pass; each must be noticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import CodeType


@dataclass(frozen=True)
class Slip:
    """One line of a file, and the wrong one in its place."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)

    def code(self) -> CodeType:
        """Compile the file with the slip.

        Raises
        ------
        LookupError
            If the right line is not there, or not once.
        """
        source = self.path.read_text(encoding="utf-8")
        if source.count(self.right) != 1:
            raise LookupError(f"{self.name}: {self.file} has {source.count(self.right)} times {self.right!r}, not once")
        return compile(source.replace(self.right, self.wrong), self.file, "exec")


REWEIGHTING = ("tests/reweighting",)
GROUPS = (
    "tests/groups/test_metrics.py",
    "tests/groups/test_groups.py",
    "tests/groups/test_intervals.py",
    "tests/groups/test_refinement.py::test_words_and_features_count_half_each",
    "tests/groups/test_refinement.py::test_a_refined_probe_answers_its_training_rows_as_the_mixture_does",
    "tests/groups/test_refinement.py::test_a_peak_that_lies_where_another_value_scores_highest_is_refused",
)
TRAINING = tuple(f"tests/training/test_{name}.py" for name in ("data", "optimizer", "run_group", "selection", "tuner"))
WORKFLOWS = (
    "tests/workflows/test_report.py",
    "tests/workflows/test_prepared.py",
    "tests/workflows/test_predict.py::test_predict_asks_the_probe_about_the_class_it_predicts",
    "tests/workflows/test_predict.py::test_the_file_of_predict",
)
SUITE = (
    "tests/benchmarks/group_robustness/test_row_tables.py",
    "tests/benchmarks/group_robustness/test_suite.py::test_the_distance_to_the_oracle_is_what_true_groups_would_add",
    "tests/benchmarks/group_robustness/test_suite.py::test_the_second_choice_of_steps_is_scored_by_its_own_predictions",
    "tests/benchmarks/group_robustness/test_suite.py::test_suites_weigh_the_adjusted_average_by_training",
    "tests/benchmarks/group_robustness/test_rivals.py::test_dfr_is_fitted_on_balanced_halves_and_judged_on_the_other",
)
NOISY = (
    "tests/benchmarks/noisy_labels/test_experiment_tables.py",
    "tests/benchmarks/noisy_labels/test_suite.py::test_a_stored_result_is_of_all_that_it_depends_on",
)
OUTPUT = ("tests/cli/test_output.py", "tests/cli/test_printed.py")

SLIPS = [
    Slip(
        "DPT's epoch means are not reset",
        "debias_pt/reweighting/dpt.py",
        "            self.sums_, self.sizes_ = torch.zeros_like(self.sums_), torch.zeros_like(self.sizes_)\n",
        "            pass\n",
        REWEIGHTING,
    ),
    Slip(
        "the mixture counts the words' evidence twice",
        "debias_pt/groups/refinement/pooling.py",
        "evidence=0.5 * evidence, weight=0.5)",
        "evidence=evidence, weight=1.0)",
        GROUPS,
    ),
    Slip(
        "the refined probe counts the image twice",
        "debias_pt/groups/refinement/pooling.py",
        "Refinement(0.5 * of_features, 0.5 * with_classes, 0.5 * weights, 0.5 * bias[0], mixture.prior)",
        "Refinement(of_features, with_classes, weights, bias[0], mixture.prior)",
        GROUPS,
    ),
    Slip(
        "the calibration accepts any hump",
        "debias_pt/groups/refinement/calibration.py",
        "if (means.argmax(axis=0) == np.arange(v)).all():",
        "if means.size:",
        GROUPS,
    ),
    Slip(
        "the worst group is the smallest",
        "debias_pt/workflows/report.py",
        'worst = min(groups, key=lambda group: group["accuracy"])',
        'worst = min(groups, key=lambda group: group["n"])',
        WORKFLOWS,
    ),
    Slip(
        "a group's interval over images takes another's size",
        "debias_pt/groups/metrics.py",
        "float(accuracy.mean()), float(self._images[g])",
        "float(accuracy.mean()), float(self._images[0])",
        GROUPS,
    ),
    Slip(
        "a group's interval over seeds is another's",
        "debias_pt/groups/metrics.py",
        "_clipped(student_interval(accuracy), 0.0)",
        "_clipped(student_interval(self.accuracy[:, g - 1]), 0.0)",
        GROUPS,
    ),
    Slip(
        "steps before the first to be kept are kept",
        "debias_pt/training/selection.py",
        "if step < self.first_step:",
        "if step < 0:",
        TRAINING,
    ),
    Slip(
        "the first step to be kept is counted from another number",
        "debias_pt/training/run_group.py",
        "int(self.settings.select_after * self.settings.steps)",
        "int(self.settings.select_after)",
        TRAINING,
    ),
    Slip(
        "--soft is ignored",
        "debias_pt/training/tuner.py",
        "(fitted, train_groups, bool(self.settings.soft)),",
        "(fitted, train_groups, False),",
        TRAINING,
    ),
    Slip(
        "every epoch has the same order",
        "debias_pt/training/data.py",
        "_permutation(self.n, seed, epoch, self.block) for",
        "_permutation(self.n, seed, 0, self.block) for",
        TRAINING,
    ),
    Slip(
        "a loss is not shown the epoch that starts",
        "debias_pt/training/loop.py",
        "        run_group.loss.start_epoch(logits, run_group.train.y.expand(logits.shape[:-1]))\n",
        "        pass\n",
        ("tests/training/test_fit_together.py::test_a_loss_that_knows_its_rows_looks_once_an_epoch_and_resumes",),
    ),
    Slip(
        "the linear probe's C is chosen on the training samples",
        "debias_pt/noise/linear_probe.py",
        "held_x, held_y = validation\n",
        "held_x, held_y = x, y\n",
        ("tests/noise/test_linear_probe.py",),
    ),
    Slip(
        "the adjusted average weighs by the reported split",
        "debias_pt/workflows/report.py",
        "GroupReport.of(predictions, own, train.counts, seeds)",
        "GroupReport.of(predictions, own, own.counts, seeds)",
        WORKFLOWS,
    ),
    Slip(
        "the suite's adjusted average weighs by another split",
        "debias_pt/workflows/report.py",
        'prepared.report_groups.rows(prepared.mask("train")).counts',
        'prepared.report_groups.rows(prepared.mask("test")).counts',
        SUITE,
    ),
    Slip(
        "an annotation keeps its own order of values",
        "debias_pt/workflows/prepared.py",
        "TrueAttribute(answer.values, order[true.labels])",
        "TrueAttribute(answer.values, true.labels)",
        WORKFLOWS,
    ),
    Slip(
        "predict shows the probe another class",
        "debias_pt/workflows/predict.py",
        "probe.predict(features, probabilities.argmax(axis=1))",
        "probe.predict(features, probabilities.argmin(axis=1))",
        WORKFLOWS,
    ),
    Slip(
        "half an interval is a whole one in the table of methods",
        "benchmarks/group_robustness/row_tables.py",
        "{50 * (ends[1] - ends[0]):.1f}",
        "{100 * (ends[1] - ends[0]):.1f}",
        SUITE,
    ),
    Slip(
        "half an interval is a whole one in the table of noisy labels",
        "benchmarks/noisy_labels/experiment_tables.py",
        "{50 * (high - low):.1f}",
        "{100 * (high - low):.1f}",
        NOISY,
    ),
    Slip(
        "DFR's strength is chosen on the half that it was fitted on",
        "benchmarks/group_robustness/rivals/dfr.py",
        "first, second = order[: len(y) // 2], order[len(y) // 2 :]",
        "first, second = order[: len(y) // 2], order[: len(y) // 2]",
        SUITE,
    ),
    Slip(
        "DFR's strength is chosen without balance",
        "benchmarks/group_robustness/rivals/dfr.py",
        "rows = first[balanced(groups[first], np.random.default_rng(seed))]",
        "rows = first",
        SUITE,
    ),
    Slip(
        "DFR is fitted without balance",
        "benchmarks/group_robustness/rivals/dfr.py",
        "draws = [balanced(groups, rng) for _ in range(self.draws)]",
        "draws = [order for _ in range(self.draws)]",
        SUITE,
    ),
    Slip(
        "the distance to the oracle has the wrong sign",
        "benchmarks/group_robustness/suite.py",
        "{name: worst[oracle] - worst[name] for",
        "{name: worst[name] - worst[oracle] for",
        SUITE,
    ),
    Slip(
        "the oracle's figures are those of the common rule",
        "benchmarks/group_robustness/suite.py",
        "by_true = scores(case, fitted.predict_by_true, fitted.seeds)",
        "by_true = scores(case, fitted.predict, fitted.seeds)",
        SUITE,
    ),
    Slip(
        "the oracle's column repeats the worst group",
        "benchmarks/group_robustness/row_tables.py",
        'oracle = cell(row["true_selection"], "worst_group_accuracy") if row',
        'oracle = cell(row, "worst_group_accuracy") if row',
        SUITE,
    ),
    Slip(
        "views are not part of a cell's key",
        "benchmarks/noisy_labels/compute.py",
        '        "views": settings.views,\n',
        "",
        NOISY,
    ),
    Slip(
        "per cent is printed without its decimal",
        "debias_pt/utils/words.py",
        'return "-" if value is None else f"{100 * value:.1f}"',
        'return "-" if value is None else f"{100 * value:.0f}"',
        OUTPUT,
    ),
    Slip(
        "the probe's precision is printed as its recall",
        "cli/tables.py",
        'percent(g["recall"]), percent(g["precision"])]',
        'percent(g["recall"]), percent(g["recall"])]',
        OUTPUT,
    ),
]
