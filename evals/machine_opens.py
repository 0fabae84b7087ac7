"""How well machine opens and clicks are told from people's: `python -m evals.machine_opens [--seed N]`.

Prints precision and recall per class for opens and clicks, and for (message, recipient) pairs, which is what
the measures count. Ends with status 1 when machine clicks miss the goal or a reply or form is ever doubted.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from evals.open_stream import Labelled, Mailing, stream
from service.engagement.rules import EngagementKind, Judgement, SharedEgress, Signal, Verdict, classify, effective_first, shared_egress

GOAL_PRECISION, GOAL_RECALL = 0.95, 0.90
SEEDS = (11, 12, 13)


@dataclass
class Tally:
    """Counts of (truth, verdict) for one kind, truth being human or machine."""

    counts: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)

    def add(self, *, human: bool, verdict: Verdict) -> None:
        """Count one judged signal."""
        self.counts[Verdict.HUMAN if human else Verdict.MACHINE, verdict] += 1

    def precision(self, which: Verdict) -> float:
        """Share of those called `which` that are, 0..1."""
        called = sum(count for (_, verdict), count in self.counts.items() if verdict is which)
        return self.counts[which, which] / called if called else 0.0

    def recall(self, which: Verdict) -> float:
        """Share of those that are `which` that were called so, 0..1; an unsure verdict counts as missed."""
        there = sum(count for (truth, _), count in self.counts.items() if truth is which)
        return self.counts[which, which] / there if there else 0.0

    def unsure(self, truth: Verdict) -> float:
        """Share of those that are `truth` that were called unsure, 0..1."""
        there = sum(count for (real, _), count in self.counts.items() if real is truth)
        return self.counts[truth, Verdict.UNSURE] / there if there else 0.0


@dataclass
class Result:
    """What one run found; `rules` counts (kind, truth, verdict, rule), `by_hand_lost` doubted replies and forms."""

    opens: Tally = field(default_factory=Tally)
    clicks: Tally = field(default_factory=Tally)
    pairs: Tally = field(default_factory=Tally)
    rules: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    by_hand_lost: int = 0

    def reached(self) -> bool:
        """Whether machine clicks reach the goal and nothing done by hand was lost."""
        precise = self.clicks.precision(Verdict.MACHINE) >= GOAL_PRECISION
        return precise and self.clicks.recall(Verdict.MACHINE) >= GOAL_RECALL and not self.by_hand_lost


def evaluate(mailings: Iterable[Mailing]) -> Result:
    """Judge every signal of the mailings as the service would, and compare with the labels."""
    result = Result()
    for mailing in mailings:
        clicks = {
            name: [item.signal for item in found if item.signal.kind is EngagementKind.CLICK]
            for name, found in mailing.by_recipient.items()
        }
        egress = shared_egress(clicks)
        for found in mailing.by_recipient.values():
            signals = [item.signal for item in found]
            judgements = classify(signals, links_in_message=mailing.links, egress=egress)
            for item, judgement in zip(found, judgements, strict=True):
                tally = result.opens if item.signal.kind is EngagementKind.OPEN else result.clicks
                tally.add(human=item.human, verdict=judgement.verdict)
                truth = "human" if item.human else "machine"
                result.rules[item.signal.kind, truth, judgement.verdict, judgement.rule] += 1
            _count_pair(result, found, judgements)
            result.by_hand_lost += _doubted_by_hand(signals, mailing.links, egress)
    return result


def _count_pair(result: Result, found: Sequence[Labelled], judgements: Sequence[Judgement]) -> None:
    """Count the pair once, as the measures do; pairs nobody clicked in don't count."""
    if all(item.signal.kind is not EngagementKind.CLICK for item in found):
        return
    times = effective_first([item.signal for item in found], judgements)
    verdict = Verdict.UNSURE if times.unsure_click else Verdict.MACHINE
    verdict = Verdict.HUMAN if times.human_click else verdict
    clicked_by_hand = any(item.human and item.signal.kind is EngagementKind.CLICK for item in found)
    result.pairs.add(human=clicked_by_hand, verdict=verdict)


def _doubted_by_hand(signals: Sequence[Signal], links: int, egress: Sequence[SharedEgress]) -> int:
    """How many of a reply and a form in the midst of these signals would not be believed."""
    if not signals:
        return 0
    middle = signals[len(signals) // 2]
    by_hand = [replace(middle, kind=kind, url=None) for kind in (EngagementKind.REPLY, EngagementKind.FORM)]
    judged = classify([*signals, *by_hand], links_in_message=links, egress=egress)[-2:]
    return sum(judgement.verdict is not Verdict.HUMAN for judgement in judged)


def report(result: Result) -> str:
    """The figures as a table to read."""
    lines = [f"{'':22}{'n':>8}{'precision':>11}{'recall':>9}{'unsure':>9}"]
    for name, tally in (("opens", result.opens), ("clicks", result.clicks), ("pairs clicked", result.pairs)):
        for which in (Verdict.MACHINE, Verdict.HUMAN):
            there = sum(count for (truth, _), count in tally.counts.items() if truth is which)
            lines.append(
                f"{name + ', ' + which:22}{there:>8}{tally.precision(which):>11.3f}{tally.recall(which):>9.3f}{tally.unsure(which):>9.3f}"
            )
    lines.append(f"replies and forms doubted: {result.by_hand_lost}")
    return "\n".join(lines)


def main() -> int:
    """Run over the seeds, print each, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="default: %(default)s", default=None)
    parser.add_argument("--recipients", type=int, default=1200)
    parser.add_argument("--rules", action="store_true", help="also print what each rule decided")
    options = parser.parse_args()
    missed = 0
    for seed in options.seed or SEEDS:
        result = evaluate(stream(seed, recipients=options.recipients))
        print(f"seed {seed}, {options.recipients} recipients, goal for machine clicks {GOAL_PRECISION} / {GOAL_RECALL}")
        print(report(result))
        if options.rules:
            for (kind, truth, verdict, rule), count in sorted(result.rules.items()):
                print(f"  {kind:6} {truth:8} -> {verdict:8} {rule:36} {count:>6}")
        missed += not result.reached()
    print("goal reached" if not missed else f"goal missed for {missed} of {len(options.seed or SEEDS)} seeds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
