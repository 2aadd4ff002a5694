"""Saboteurs of the split, of health and of limits."""

from tests.saboteurs.saboteur import Change, Saboteur

HEALTH = "tests/unit/test_health.py"
TRAFFIC = "tests/unit/test_traffic.py"
LIMITS = "tests/unit/test_limits.py"
ROUTER = "tests/unit/test_router.py"
INTERRUPTIONS = "tests/unit/test_interruptions.py::test_a_send"

SABOTEURS = (
    Saboteur(
        "split-by-chance",
        "60/40 is exact in every stretch of messages, not on average.",
        (
            Change(
                "routing/split.py",
                "self._phase += self._first\n",
                "self._phase += self._first\n        import random\n\n"
                "        return int(random.random() * self._total >= self._first)\n",
            ),
        ),
        ("tests/properties/test_split.py::test_a_thousand_messages_at_sixty_to_forty"
         "_are_six_hundred_give_or_take_one", f"{ROUTER}::test_the_shares_are_exact_in"
         "_what_the_router_assigns"),
    ),
    Saboteur(
        "recipients-start-alike",
        "Counted in recipients, processes of few messages split too.",
        (
            Change(
                "routing/split.py",
                "self._own = random.randrange(len(self._owed))",
                "self._own = random.randrange(len(self._owed)) * 0",
            ),
        ),
        ("tests/properties/test_split.py::test_processes_of_few_messages_of_any_size"
         "_split_too", "tests/properties/test_split.py::test_counted_in_recipients"
         "_every_pick_has_exactly_its_chance"),
    ),
    Saboteur(
        "debt-is-repaid",
        "A backend that comes back gets its share, and no flood.",
        (
            Change(
                "routing/dispatcher.py",
                "route = routes[split.pick(size)]",
                "split.pick(size)\n"
                "                done = sum(state.carried.values())\n"
                "                total = sum(e.weight for e in self._weighted)\n"
                "                route = max(routes, key=lambda r: (done + 1) * next("
                "e.weight for e in self._weighted if e.name == r.assigned) / total "
                "- state.carried[r.assigned])",
            ),
        ),
        (f"{TRAFFIC}::test_a_host_that_comes_back_gets_its_share_and_no_flood",
         f"{TRAFFIC}::test_what_it_was_assigned_stays_exact_through_an_outage"),
    ),
    Saboteur(
        "refusal-trips-the-breaker",
        "A refused message or recipient says nothing against the backend.",
        (
            Change(
                "errors.py",
                '    try_next = False\n    health = "never"',
                '    try_next = False\n    health = "counts"',
            ),
        ),
        (HEALTH,),
    ),
    Saboteur(
        "breaker-never-opens",
        "A dead host costs five messages' tries, not every one's.",
        (Change("routing/circuit_breaker.py", "if self._row >= ROW:", "if False:"),),
        (HEALTH, f"{TRAFFIC}::test_a_dead_host_is_found_within_five_messages"),
    ),
    Saboteur(
        "breaker-never-closes",
        "A backend that is well again is used again.",
        (Change("routing/circuit_breaker.py", "if self._proven >= PROVEN:", "if False:"),),
        (HEALTH,),
    ),
    Saboteur(
        "breaker-opens-too-soon",
        "One failure in five, scattered, never takes a backend out of use.",
        (
            Change(
                "routing/circuit_breaker.py",
                "FEWEST = 50, 60.0, 20",
                "FEWEST = 50, 60.0, 4",
            ),
        ),
        (HEALTH,),
    ),
    Saboteur(
        "sender-stops-the-backend",
        "A sender that is not verified stops that sender only.",
        (
            Change(
                "routing/circuit_breaker.py",
                "concerns = answer.scope if isinstance(answer, UnavailableError) "
                'else "backend"',
                'concerns = "backend"',
            ),
        ),
        (HEALTH, f"{TRAFFIC}::test_a_sender_that_is_not_allowed_stops_only_that_sender"),
    ),
    Saboteur(
        "probe-spends-a-message",
        "No message is spent to find out whether a host is well again.",
        (Change("routing/admission.py", 'permit.probe = "must"', 'permit.probe = "no"'),),
        (f"{TRAFFIC}::test_no_message_is_spent_on_a_host_that_does_not_answer_its_probe",),
    ),
    Saboteur(
        "all-cooling-goes-silent",
        "When no backend is fit, the one due first is tried all the same.",
        (
            Change(
                "routing/admission.py",
                "return min(able, key=lambda view: view.order_of_need(ask.now), "
                "default=None)",
                "return None",
            ),
        ),
        (f"{TRAFFIC}::test_when_no_host_is_fit_the_one_that_is_due_first_is_tried",
         f"{TRAFFIC}::test_a_lone_backend_is_tried_however_often_it_failed"),
    ),
    Saboteur(
        "drained-is-used",
        "What a person drained carries nothing.",
        (
            Change(
                "routing/dispatcher.py",
                "            if name in self.drained:\n                continue\n",
                "",
            ),
            Change(
                "routing/dispatcher.py",
                "            or name in self.drained\n",
                "",
            ),
        ),
        (f"{TRAFFIC}::test_a_drained_backend_gets_nothing_and_keeps_its_place_in_the"
         "_split", f"{TRAFFIC}::test_a_drained_backend_is_not_used_in_need_either"),
    ),
    Saboteur(
        "rate-off-by-one",
        "No stretch of a rate's period has more than its count.",
        (
            Change(
                "routing/rate_limits.py",
                "self._total + size - self.rate.count",
                "self._total + size - self.rate.count - 1",
            ),
        ),
        (f"{LIMITS}::test_no_stretch_of_a_period_ever_has_more_than_its_count",),
    ),
    Saboteur(
        "no-retry-budget",
        "An outage does not multiply the load.",
        (
            Change(
                "routing/rate_limits.py", "self.tokens -= RETRY_COST", "self.tokens -= 0"
            ),
        ),
        (LIMITS, f"{TRAFFIC}::test_an_outage_of_everything_costs_few_more_tries_than"
         "_messages"),
    ),
    Saboteur(
        "straight-way-uses-drained",
        "What a person drained carries nothing, not even what goes at once.",
        (Change("routing/dispatcher.py", "            or name in self.drained\n", ""),),
        ("tests/unit/test_drained.py",),
    ),
    Saboteur(
        "carried-is-not-counted",
        "Shares count every message that was accepted.",
        (
            Change(
                "routing/dispatcher.py",
                "            state.carried[name] += size\n            permit.gate = None\n"
                "            gate.live.discard(permit)\n",
                "            permit.gate = None\n"
                "            gate.live.discard(permit)\n",
            ),
        ),
        (INTERRUPTIONS,),
    ),
    Saboteur(
        "permit-is-never-over",
        "A place that an interrupted send held is free again.",
        (
            Change(
                "delivery/sender.py",
                "        finally:\n            permit.over = True\n\n    async def arun(",
                "        finally:\n            pass\n\n    async def arun(",
            ),
        ),
        (INTERRUPTIONS,),
    ),
    Saboteur(
        "fork-shares-split-and-health",
        "A forked process starts a split and counts of its own, and has nothing in flight.",
        (
            Change(
                "routing/dispatcher.py",
                "        fork_lock.starts_fresh(self)\n",
                "",
            ),
        ),
        (f"{ROUTER}::test_a_forked_process_starts_its_own_split_and_counts",
         f"{TRAFFIC}::test_a_forked_child_knows_what_was_drained_and_has_nothing_in"
         "_flight"),
    ),
)  # fmt: skip
