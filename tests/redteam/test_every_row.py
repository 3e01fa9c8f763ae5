"""Each of the 47 rows of the red team has a test, and that test exists."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKING = "tests/redteam/test_rows_of_faking.py"
ENDS = "tests/redteam/test_rows_of_ends.py"
FILES = "tests/redteam/test_rows_of_files.py"
WALLS = "tests/redteam/test_rows_of_walls.py"
PEOPLE = "tests/redteam/test_people.py"
TAMPER = f"{FAKING}::test_tampering_gains_nothing"
# row -> what it tries, the tests that try it
ROWS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("an object that equals everything", (TAMPER,
        f"{FAKING}::test_a_value_that_is_no_plain_one_is_named_as_such")),
    2: ("a number that equals everything", (TAMPER,)),
    3: ("asserts stripped from the syntax tree", (TAMPER,)),
    4: ("the test cell's text replaced", (TAMPER,)),
    5: ("the shell's runner replaced", (TAMPER,)),
    6: ("a formatter that prints the maximum", (TAMPER,)),
    7: ("a thread that dumps hidden tests",
        (f"{FAKING}::test_no_byte_of_a_hidden_test_is_ever_in_the_students_kernel",)),
    8: ("a function that reads its caller", (TAMPER,)),
    9: ("test libraries patched", (TAMPER,)),
    10: ("leaving at the import", (f"{ENDS}::test_leaving_at_the_import_costs_nothing_else",)),
    11: ("leaving in a tested function", (f"{ENDS}::test_leaving_inside_a_tested_function_costs_that_test",)),
    12: ("the process ended in a tested function",
        (f"{ENDS}::test_a_kernel_that_dies_in_a_test_costs_that_test",)),
    13: ("killed or crashed", (f"{ENDS}::test_a_kernel_that_dies_in_a_test_costs_that_test",
                               f"{ENDS}::test_a_kernel_that_dies_in_a_cell_costs_no_other")),
    14: ("tracebacks switched off", (TAMPER,)),
    15: ("exceptions swallowed by the shell", (TAMPER,)),
    16: ("a forged message of the kernel", (TAMPER,)),
    17: ("the kernel's answer replaced", (TAMPER,)),
    18: ("tags that skip tests", (f"{FILES}::test_tags_change_nothing",)),
    19: ("a test deleted", (f"{FILES}::test_a_test_that_was_deleted_is_put_back_and_graded",)),
    20: ("a cell doubled", (f"{FILES}::test_of_a_doubled_cell_the_last_counts",)),
    21: ("flags of a test changed", (f"{FILES}::test_flags_and_points_come_from_the_release",)),
    22: ("points changed", (f"{FILES}::test_flags_and_points_come_from_the_release",
                            f"{FILES}::test_points_that_are_no_number_are_refused_or_forgotten")),
    23: ("names swapped, cells moved", (f"{FILES}::test_the_order_of_the_release_holds",)),
    24: ("another kernel named", (f"{FILES}::test_the_kernel_of_the_release_is_used",)),
    25: ("partial credit that is no number", (
        f"{FILES}::test_a_claimed_partial_credit_is_a_number_within_its_bounds_or_nothing",
        f"{PEOPLE}::test_a_text_that_is_no_number_of_points_gives_none")),
    26: ("outputs in the file", (f"{FILES}::test_outputs_that_stand_in_the_file_are_forgotten",)),
    27: ("words on standard error", (f"{FILES}::test_words_on_standard_error_are_no_failure",)),
    28: ("hidden files read", (f"{WALLS}::test_only_the_open_data_of_the_lab_can_be_read",
                               f"{WALLS}::test_open_data_cannot_be_changed_for_the_next")),
    29: ("the database opened", (f"{WALLS}::test_no_database_no_socket_no_key_is_there",)),
    30: ("the server's environment read",
        (f"{WALLS}::test_the_environment_is_a_short_list_without_secrets",)),
    31: ("other kernels and work", (f"{WALLS}::test_no_other_kernel_and_no_other_work_is_in_sight",)),
    32: ("the network", (f"{WALLS}::test_nothing_leaves_over_the_network",
                         f"{WALLS}::test_packages_cannot_be_fetched")),
    33: ("bombs of processes and threads", (
        f"{ENDS}::test_a_bomb_of_processes_or_threads_stays_below_its_limit",
        "tests/redteam/test_long.py::test_a_bomb_slows_its_neighbour_little")),
    34: ("bombs of memory", (f"{ENDS}::test_greed_for_memory_ends_at_the_cap",)),
    35: ("cells that do not stop", (f"{ENDS}::test_a_cell_that_does_not_stop_is_stopped",
                                    f"{ENDS}::test_a_function_that_does_not_stop_costs_its_own_test")),
    36: ("running on after the end", (f"{ENDS}::test_whatever_runs_on_is_gone_with_the_job",)),
    37: ("floods of text", (f"{ENDS}::test_a_flood_of_output_is_cut_and_said_to_be",)),
    38: ("floods of displays", (f"{ENDS}::test_a_flood_of_output_is_cut_and_said_to_be",)),
    39: ("the disk filled", (f"{ENDS}::test_a_full_disk_is_the_jails_own",
                             f"{ENDS}::test_a_million_files_do_not_fit")),
    40: ("scripts in outputs and names", (
        "tests/grading/test_views.py::test_no_script_of_a_student_reaches_a_page",
        "tests/grading/test_views.py::test_the_notebook_is_framed_where_nothing_can_run",
        "tests/browser/test_grading_pages.py::test_nothing_of_a_students_notebook_runs",
        f"{PEOPLE}::test_a_message_moves_no_terminal_and_turns_no_text_around")),
    41: ("a bomb of a notebook", (
        "tests/test_bad_input.py::test_a_notebook_of_just_under_the_limit_that_is_a_bomb_is_refused_in_words",
        "tests/test_bad_input.py::test_a_file_of_fifty_megabytes_is_refused_before_it_is_read",
        "tests/grading/core/test_reading.py::test_every_broken_file_has_its_own_notice",
        f"{FILES}::test_a_bomb_of_a_notebook_is_a_verdict_not_a_crash")),
    42: ("archives", (f"{FILES}::test_an_archive_is_refused_with_its_reason_and_never_opened",)),
    43: ("pickles", (f"{FILES}::test_nothing_of_ours_knows_how_to_unpickle",
                     f"{FILES}::test_an_object_that_explodes_when_it_is_copied_does_not")),
    44: ("results of one's own", (f"{FILES}::test_a_result_that_a_student_writes_is_nobodys",)),
    45: ("probing by many attempts", (
        f"{PEOPLE}::test_attempts_are_bounded_however_the_lab_is_written",
        f"{PEOPLE}::test_an_attempt_tells_one_score_and_nothing_of_each_hidden_test_until_the_deadline",
        "tests/grading/test_services_parallel.py::test_parallel_posts_within_a_pause_are_one_attempt",
        "tests/grading/test_services.py::test_the_database_itself_refuses_an_attempt_twice",
        "tests/grading/test_services_parallel.py::test_parallel_posts_never_exceed_the_attempts")),
    46: ("behaving for the grader", (
        f"{WALLS}::test_nothing_tells_a_notebook_that_it_is_being_graded",
        f"{WALLS}::test_the_visible_cases_by_heart_are_worth_the_visible_points",
        "tests/redteam/test_tells.py::test_the_counting_run_and_the_shown_run_look_the_same",
        f"{PEOPLE}::test_a_seed_belongs_to_one_run")),
    47: ("magic and questions", (f"{WALLS}::test_magic_meets_the_same_walls",
                                 f"{WALLS}::test_a_question_to_nobody_is_an_error_and_the_job_goes_on")),
}  # fmt: skip


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_forty_seven_rows() -> None:
    assert sorted(ROWS) == list(range(1, 48))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist(row: int) -> None:
    _, tests = ROWS[row]
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in _tests(ROOT / file), test


def test_the_document_has_every_row() -> None:
    text = (ROOT / "docs/explanation/grading-security.md").read_text(encoding="utf-8")
    for row, (_, tests) in ROWS.items():
        line = next((line for line in text.splitlines() if line.startswith(f"| {row} |")), None)
        assert line is not None, row
        assert tests[0].split("::")[1] in line, (row, tests[0])
