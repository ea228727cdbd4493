"""Each of the cases has a test that names it, or a reason why it has none yet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

SPANS = [
    (1, 23),
    (27, 31),
    (33, 44),
    (51, 59),
    (61, 70),
    (72, 76),
    (78, 78),
    (80, 82),
    (85, 86),
    (89, 101),
    (103, 107),
    (109, 110),
    (113, 137),
    (141, 146),
    (149, 150),
]
"""The numbers of the cases, from the first to the last of each span; there are gaps."""

COVERED: dict[int, list[str] | str] = {
    1: [
        "cases/test_begin_end.py::test_begin_without_a_query_set",
        "client/test_ws2.py::test_begin_without_a_query_set",
    ],
    2: [
        "client/test_ws2.py::test_begin_without_a_place_for_the_handle",
    ],
    3: [
        "client/test_ws2.py::test_begin_with_an_all_zero_query_set",
    ],
    4: [
        "cases/test_begin_end.py::test_end_of_null_and_of_zero",
        "client/test_ws2.py::test_calls_on_a_handle_that_is_none",
        "wire/test_arguments.py::test_null_is_no_value_of_a_required_member",
    ],
    5: [
        "cases/test_begin_end.py::test_begin_gives_a_handle_of_its_own",
        "client/test_ws2.py::test_begin_writes_the_handle",
    ],
    6: [
        "cases/test_begin_end.py::test_all_records_and_then_no_more",
        "client/test_ws2.py::test_all_records_then_no_more",
        "e2e/test_clients.py::test_winsock_reads_records_of_growing_size",
    ],
    7: [
        "cases/test_begin_end.py::test_a_handle_that_is_not_live",
        "client/test_ws2.py::test_calls_on_a_handle_that_is_none",
        "wire/test_arguments.py::test_what_looks_like_a_handle_is_none",
    ],
    8: [
        "cases/test_begin_end.py::test_end_again_and_again",
        "cases/test_races.py::test_two_ends_at_once",
    ],
    9: [
        "cases/test_begin_end.py::test_next_after_end",
    ],
    10: [
        "cases/test_begin_end.py::test_a_provider_refuses_begin",
    ],
    11: [
        "cases/test_begin_end.py::test_a_namespace_that_nobody_serves",
        "cases/test_next.py::test_a_query_of_every_provider_leaves_the_test_namespace_out",
    ],
    12: [
        "cases/test_begin_end.py::test_a_provider_that_is_not_installed",
    ],
    13: [
        "cases/test_begin_end.py::test_one_of_two_providers_refuses_begin",
    ],
    14: [
        "cases/test_begin_end.py::test_a_provider_without_containers",
        "providers/hosts/test_asking.py::test_queries_that_no_hosts_file_can_answer",
        "providers/hosts/test_provider.py::test_a_name_without_what_is_asked_for_is_known",
    ],
    15: [
        "cases/test_begin_end.py::test_begin_does_not_wait_for_the_provider",
    ],
    16: [
        "cases/test_begin_end.py::test_members_that_mean_nothing_in_a_query",
    ],
    17: [
        "cases/test_begin_end.py::test_protocols_missing_and_empty",
        "client/test_ws2.py::test_a_protocol_count_without_a_list",
        "providers/hosts/test_asking.py::test_protocols_pick_address_families",
    ],
    18: [
        "cases/test_begin_end.py::test_a_provider_that_serves_one_suffix",
        "providers/hosts/test_lines.py::test_names_compare_without_case_and_final_dot",
    ],
    19: [
        "cases/test_begin_end.py::test_end_frees_the_place_of_its_lookup",
    ],
    20: [
        "cases/test_begin_end.py::test_the_limit_counts_for_a_user",
    ],
    21: [
        "cases/test_begin_end.py::test_begin_and_end_without_next",
    ],
    22: [
        "cases/test_next.py::test_an_unknown_name",
    ],
    23: [
        "cases/test_next.py::test_the_end_again_and_again",
    ],
    27: [
        "cases/test_next.py::test_flushprevious_with_nothing_to_flush",
    ],
    28: [
        "cases/test_next.py::test_no_room_at_all",
        "client/test_ws2.py::test_no_room_tells_the_size",
        "e2e/test_clients.py::test_winsock_reads_records_of_growing_size",
    ],
    29: [
        "cases/test_next.py::test_any_room",
        "client/test_ws2.py::test_null_pointers_of_next",
    ],
    30: [
        "cases/test_next.py::test_exactly_the_room_that_was_reported",
        "client/test_ws2.py::test_no_room_tells_the_size",
        "model/test_native.py::test_hand_computed_layouts",
    ],
    31: [
        "cases/test_next.py::test_records_of_growing_size",
        "client/test_ws2.py::test_each_record_may_need_a_new_size",
        "e2e/test_clients.py::test_winsock_reads_records_of_growing_size",
    ],
    33: [
        "cases/test_next.py::test_next_cannot_widen_what_begin_asked",
        "model/test_flags.py::test_a_call_narrows_and_never_widens",
        "model/test_queryset.py::test_narrowing",
    ],
    34: [
        "cases/test_next.py::test_the_flags_of_next_hold_for_one_call",
        "model/test_flags.py::test_a_call_narrows_and_never_widens",
    ],
    35: [
        "cases/test_next.py::test_preferred_names",
        "providers/email/test_registrations.py::test_preferred_names",
    ],
    36: [
        "cases/test_next.py::test_a_provider_is_disabled_while_another_is_asked",
        "model/test_verdict.py::test_codes_that_providers_end_with",
    ],
    37: [
        "client/test_aio.py::test_old_codes_mean_the_same_as_the_new_ones",
        "client/test_sync.py::test_old_codes_mean_the_same_as_the_new_ones",
        "wire/test_client.py::test_codes_that_have_another_name_here",
    ],
    38: [
        "cases/test_next.py::test_a_provider_that_fails_ten_thousand_times",
    ],
    39: [
        "cases/test_next.py::test_nothing_ever_arrives",
        "cases/test_races.py::test_timers_meet_records",
    ],
    40: [
        "cases/test_cancellation.py::test_end_releases_a_waiting_next",
    ],
    41: [
        "cases/test_cancellation.py::test_the_provider_is_told_once",
    ],
    42: [
        "cases/test_cancellation.py::test_half_closed_and_still_served",
        "cases/test_wire.py::test_bytes_after_the_last_line",
        "e2e/test_daemon.py::test_half_closed_socket",
    ],
    43: [
        "cases/test_cancellation.py::test_the_second_next_is_cancelled_and_the_first_record_stays",
        "cases/test_races.py::test_end_meets_the_second_record",
    ],
    44: [
        "cases/test_cancellation.py::test_end_after_the_answer",
    ],
    51: [
        "cases/test_cancellation.py::test_end_during_a_retry",
        "schedules/rows_of_end.py::end_during_retries",
    ],
    52: [
        "cases/test_races.py::test_fifty_ends_meet_fifty_records",
    ],
    53: [
        "cases/test_cancellation.py::test_end_half_of_ten_lookups",
        "cases/test_races.py::test_ends_meet_gates_of_ten_lookups",
    ],
    54: [
        "cases/test_cancellation.py::test_end_directly_after_next_for_lookups_of_all_kinds",
        "schedules/rows_of_end.py::end_directly_after_next",
    ],
    55: [
        "cases/test_cancellation.py::test_no_frame_comes_after_the_end",
        "schedules/rows_of_end.py::gate_opens_after_end",
    ],
    56: [
        "cases/test_cancellation.py::test_a_provider_that_answers_late",
        "schedules/rows_of_end.py::gate_opens_after_end",
    ],
    57: [
        "cases/test_cancellation.py::test_begin_on_receiving_the_cancellation",
        "schedules/rows_of_end.py::begin_on_receiving_10111",
    ],
    58: [
        "cases/test_cancellation.py::test_begin_cancels_nothing",
    ],
    59: [
        "cases/test_cancellation.py::test_other_operations_do_not_wait",
        "cases/test_set_service.py::test_changes_and_lookups_share_a_connection",
    ],
    61: [
        "cases/test_cancellation.py::test_lookups_that_wait_for_a_thread",
        "schedules/rows_of_end.py::end_of_those_who_queue",
    ],
    62: [
        "cases/test_cancellation.py::test_a_lock_of_the_provider_is_released",
        "schedules/rows_of_end.py::end_of_those_who_queue",
    ],
    63: [
        "cases/test_cancellation.py::test_the_record_comes_in_the_step_after_end",
        "cases/test_races.py::test_the_record_arrives_in_the_tick_of_the_end",
    ],
    64: [
        "cases/test_races.py::test_end_at_any_of_three_steps",
    ],
    65: [
        "cases/test_cancellation.py::test_one_of_two_leaves_shared_work",
        "cases/test_races.py::test_one_of_two_leaves_shared_work",
    ],
    66: [
        "cases/test_races.py::test_the_record_arrives_in_the_tick_of_the_end",
        "schedules/test_between.py::test_in_between",
    ],
    67: [
        "cases/test_races.py::test_disconnect_meets_a_record",
        "schedules/test_between.py::test_in_between",
    ],
    68: [
        "cases/test_cancellation.py::test_rundown_in_the_same_write",
        "cases/test_races.py::test_rundown_before_the_work_has_begun",
    ],
    69: [
        "cases/test_cancellation.py::test_a_provider_that_cannot_be_aborted_for_a_while",
        "schedules/rows_of_end.py::two_ends_of_work_that_goes_on",
    ],
    70: [
        "cases/test_cancellation.py::test_a_stalled_reader_cannot_hold_up_the_end",
        "schedules/rows_of_end.py::end_with_a_stalled_reader",
    ],
    72: [
        "cases/test_races.py::test_a_waiter_is_cancelled_at_the_hand_over",
    ],
    73: [
        "cases/test_cancellation.py::test_all_who_share_return_when_the_first_fails",
        "cases/test_races.py::test_all_of_eight_end_when_the_first_fails",
    ],
    74: [
        "cases/test_cancellation.py::test_an_id_is_free_as_soon_as_its_call_is_answered",
        "schedules/rows_of_order.py::id_is_used_again_at_once",
    ],
    75: [
        "cases/test_cancellation.py::test_a_provider_that_completes_later",
        "schedules/rows_of_order.py::provider_fails_at_once",
    ],
    76: [
        "cases/test_cancellation.py::test_a_provider_that_fails_at_once",
        "schedules/rows_of_order.py::provider_fails_at_once",
    ],
    78: [
        "cases/test_cancellation.py::test_a_timer_that_comes_after_the_end",
        "schedules/rows_of_order.py::end_meets_a_delayed_start",
    ],
    80: [
        "cases/test_sessions.py::test_without_startup",
        "client/test_ws2.py::test_nothing_works_without_startup",
    ],
    81: [
        "cases/test_sessions.py::test_startup_with_another_protocol",
        "client/test_ws2.py::test_a_version_that_is_not_supported",
        "wire/test_arguments.py::test_another_protocol_version_is_the_first_thing_said",
    ],
    82: [
        "client/test_ws2.py::test_a_wrong_size_at_startup_opens_no_session",
    ],
    85: [
        "cases/test_sessions.py::test_every_next_is_answered_before_the_session_is_over",
        "schedules/rows_of_order.py::cleanup_meets_a_record",
    ],
    86: [
        "cases/test_sessions.py::test_begin_while_the_session_is_run_down",
        "schedules/rows_of_order.py::begin_during_rundown",
    ],
    89: [
        "cases/test_sessions.py::test_a_client_with_a_thousand_handles_dies",
        "e2e/test_daemon.py::test_a_process_with_a_thousand_handles_is_killed",
    ],
    90: [
        "cases/test_sessions.py::test_a_drain_asked_for_twice_and_cancelled",
        "e2e/test_daemon.py::test_stopped_twice",
    ],
    91: [
        "cases/test_sessions.py::test_a_drain_waits_for_a_record",
        "e2e/test_daemon.py::test_a_graceful_stop_waits_for_a_record",
        "schedules/rows_of_order.py::drain_meets_a_record",
    ],
    92: [
        "cases/test_sessions.py::test_what_a_drain_refuses_and_what_it_serves",
        "e2e/test_daemon.py::test_a_graceful_stop_waits_for_a_record",
        "schedules/rows_of_order.py::drain_meets_a_record",
    ],
    93: [
        "cases/test_sessions.py::test_a_lookup_after_the_end",
    ],
    94: [
        "e2e/test_daemon.py::test_a_thousand_connections_come_and_go",
    ],
    95: [
        "cases/test_races.py::test_a_client_comes_back_while_it_is_torn_down",
    ],
    96: [
        "cases/test_races.py::test_a_disabled_provider_meets_its_record",
        "cases/test_sessions.py::test_a_provider_is_disabled_with_lookups_running",
    ],
    97: [
        "client/test_aio.py::test_a_restarted_daemon_fails_what_waits_once_and_is_reached_again",
        "client/test_exchange.py::test_losing_the_connection_fails_each_call_once",
        "client/test_sync.py::test_a_restarted_daemon_fails_what_waits_once_and_is_reached_again",
    ],
    98: [
        "cases/test_sessions.py::test_registrations_outlive_their_client",
        "providers/registry/test_provider.py::test_session_registrations",
    ],
    99: [
        "cases/test_set_service.py::test_register_and_find",
        "model/test_setservice.py::test_register_creates_what_is_absent",
        "providers/registry/test_provider.py::test_a_registration_is_found",
    ],
    100: [
        "cases/test_set_service.py::test_register_again",
        "model/test_setservice.py::test_register_replaces_the_whole_object",
        "providers/registry/test_provider.py::test_registering_again",
    ],
    101: [
        "cases/test_set_service.py::test_register_one_address_more",
        "model/test_setservice.py::test_register_multiple_adds",
        "providers/registry/test_provider.py::test_adding_addresses",
    ],
    103: [
        "cases/test_set_service.py::test_deregister_one_address_after_the_other",
        "model/test_setservice.py::test_deregister_multiple_removes_the_given",
        "providers/registry/test_provider.py::test_deregistering",
    ],
    104: [
        "cases/test_set_service.py::test_nothing_to_take_away",
        "model/test_setservice.py::test_absent_is_not_found",
        "providers/registry/test_provider.py::test_absent",
    ],
    105: [
        "cases/test_set_service.py::test_delete_twice",
        "model/test_setservice.py::test_delete_removes_the_object",
        "providers/registry/test_provider.py::test_deleting_twice",
    ],
    106: [
        "cases/test_set_service.py::test_protocol_any",
        "model/test_setservice.py::test_any_matches_either_form",
        "providers/registry/test_provider.py::test_any_protocol",
    ],
    107: [
        "cases/test_set_service.py::test_an_operation_that_does_not_exist",
        "model/test_setservice.py::test_other_operations",
        "core/test_setting.py::test_refused_at_once",
    ],
    109: [
        "cases/test_set_service.py::test_one_name_in_two_contexts",
        "providers/registry/test_provider.py::test_contexts",
    ],
    110: [
        "cases/test_set_service.py::test_a_user_at_his_limit",
        "providers/registry/test_database.py::test_a_failed_write_changes_nothing",
        "providers/registry/test_provider.py::test_limit",
    ],
    113: [
        "cases/test_set_service.py::test_a_provider_without_registrations",
        "core/test_setting.py::test_refused_at_once",
    ],
    114: [
        "cases/test_set_service.py::test_the_client_leaves_during_a_change",
        "providers/registry/test_database.py::test_a_session_that_ends_while_its_change_is_stored",
        "providers/registry/test_durability.py::test_a_killed_daemon_keeps_what_it_answered",
        "schedules/rows_of_order.py::client_leaves_during_a_change",
    ],
    115: [
        "cases/test_set_service.py::test_a_name_of_the_machine",
        "providers/registry/test_provider.py::test_another_users_object_of_the_machine",
    ],
    116: [
        "providers/hosts/test_provider.py::test_a_watch_tells_the_existing_set_and_then_changes",
    ],
    117: [
        "providers/hosts/test_provider.py::test_every_watch_is_told",
    ],
    118: [
        "cases/test_sessions.py::test_a_reload_keeps_handles_and_sessions",
        "providers/registry/test_database.py::test_broken_entries_are_passed_over",
        "providers/registry/test_store.py::test_one_broken_row",
    ],
    119: [
        "cases/test_set_service.py::test_enumerations_in_parallel",
        "providers/registry/test_provider.py::test_enumerations_do_not_disturb_each_other",
    ],
    120: [
        "cases/test_wire.py::test_any_cutting_of_a_session_gives_the_same_replies",
        "wire/test_decode.py::test_a_session_in_chunks_of_one_size",
        "providers/hosts/test_lines.py::test_the_cuts_of_the_chunks_make_no_difference",
    ],
    121: [
        "cases/test_wire.py::test_four_requests_in_one_write",
        "wire/test_decode.py::test_four_requests_in_one_write",
    ],
    122: [
        "cases/test_wire.py::test_a_message_that_is_too_long",
        "e2e/test_daemon.py::test_endless_bytes_without_a_line_end",
        "wire/test_decode.py::test_what_is_held_stays_within_the_limit",
    ],
    123: [
        "cases/test_wire.py::test_an_unknown_method",
        "wire/test_messages.py::test_an_unknown_method_is_named",
    ],
    124: [
        "cases/test_wire.py::test_a_request_that_fails_harms_no_other",
        "wire/test_decode.py::test_a_bad_line_does_not_harm_its_neighbours",
    ],
    125: [
        "cases/test_wire.py::test_arguments_of_the_wrong_shape",
        "wire/test_arguments.py::test_an_unknown_member_is_named",
    ],
    126: [
        "cases/test_wire.py::test_arguments_of_the_wrong_shape",
        "wire/test_arguments.py::test_a_missing_member_is_named",
    ],
    127: [
        "cases/test_wire.py::test_an_id_that_is_in_use",
        "wire/test_encode.py::test_data_may_quote_any_id",
    ],
    128: [
        "cases/test_wire.py::test_cancel_of_an_unknown_id",
    ],
    129: [
        "cases/test_races.py::test_cancel_of_a_request_meets_its_record",
        "cases/test_wire.py::test_cancel_of_a_next_twice",
    ],
    130: [
        "cases/test_wire.py::test_replies_come_in_the_order_of_the_gates",
        "schedules/rows_of_order.py::gates_open_in_any_order",
    ],
    131: [
        "cases/test_wire.py::test_nothing_about_a_lookup_before_its_handle",
    ],
    132: [
        "cases/test_wire.py::test_a_handler_that_breaks_its_word",
    ],
    133: [
        "cases/test_wire.py::test_notifications_and_null_ids",
        "wire/test_messages.py::test_other_ids_are_refused",
    ],
    134: [
        "cases/test_sessions.py::test_the_limit_of_connections",
        "e2e/test_daemon.py::test_one_connection_too_many",
    ],
    135: [
        "cases/test_wire.py::test_the_limit_of_waiting_calls",
    ],
    136: [
        "cases/test_wire.py::test_a_client_that_stops_reading",
        "e2e/test_daemon.py::test_a_client_that_does_not_read",
    ],
    137: [
        "cases/test_wire.py::test_the_client_has_gone_when_its_reply_is_ready",
        "e2e/test_daemon.py::test_the_client_is_gone_when_its_reply_is_written",
    ],
    141: [
        "cases/test_wire.py::test_a_hundred_thousand_brackets",
        "wire/test_messages.py::test_the_depth_of_a_line_is_bounded",
    ],
    142: [
        "cases/test_wire.py::test_names_are_stored_and_returned_as_they_are",
        "wire/test_messages.py::test_text_that_is_no_unicode",
        "providers/registry/test_provider.py::test_text_that_is_no_unicode",
    ],
    143: [
        "cases/test_wire.py::test_handles_that_are_no_integer_or_too_large",
        "wire/test_arguments.py::test_what_looks_like_a_handle_is_none",
    ],
    144: [
        "cases/test_wire.py::test_members_that_come_twice",
        "wire/test_arguments.py::test_the_last_of_two_handles_wins",
        "wire/test_messages.py::test_of_two_members_with_one_name_the_last_wins",
    ],
    145: [
        "cases/test_wire.py::test_a_name_in_another_normal_form",
        "model/test_wildcard.py::test_folding_ignores_case_but_not_composition",
        "providers/registry/test_provider.py::test_names_are_kept_as_given",
    ],
    146: [
        "cases/test_wire.py::test_batches",
        "wire/test_messages.py::test_an_empty_batch",
    ],
    149: [
        "cases/test_races.py::test_any_mixture_of_operations",
        "cases/test_wire.py::test_mutated_sessions",
        "fuzzing/test_fuzz.py::test_damaged_sessions",
        "schedules/test_state_machine.py::test_any_play",
    ],
    150: [
        "cases/test_sessions.py::test_end_as_the_very_first_frame",
        "wire/test_arguments.py::test_a_refused_call_tells_its_method",
    ],
}
"""Where each case is tested, file and function; or, as a text, why it is not."""

_CITED = re.compile(r"[Cc]ases? (\d+(?:(?:, | and | or )\d+)*)")


def cited(docstring: str) -> set[int]:
    """The cases that a docstring names."""
    found = (re.findall(r"\d+", numbers) for numbers in _CITED.findall(docstring))
    return {int(number) for number in chain.from_iterable(found)}


def functions(path: Path) -> Iterator[tuple[str, str]]:
    """The functions of a file, with their docstrings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, ast.get_docstring(node) or ""


def test_no_case_is_missing() -> None:
    """The table has every number, and no other."""
    numbers = list(chain.from_iterable(range(first, last + 1) for first, last in SPANS))
    assert list(COVERED) == numbers


@pytest.mark.parametrize("case", [case for case, where in COVERED.items() if type(where) is list])
def test_the_tests_that_are_named_exist(case: int) -> None:
    """Each is a function of that file, and its docstring names the case."""
    assert COVERED[case] != []
    for where in COVERED[case]:
        file, _, name = where.partition("::")
        docstrings = dict(functions(TESTS / file))
        assert name in docstrings, where
        assert case in cited(docstrings[name]), where
