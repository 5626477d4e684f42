"""Many verdicts on one question: which claims may be made together?

Declare the family before looking: one question about one method, over all tissues, regions and
maps that are to be spoken of. Then one of two rules. "all": the only claim is that every member is
shown; each is tested at alpha, and no correction is needed (intersection-union, Berger 1982,
doi:10.1080/00401706.1982.10487790). "each": members are claimed by themselves and counted, so their
P values are corrected by Holm (1979, doi:10.2307/4615733). A member without a P value counts in
its family as P = 1: it was asked about.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping

from qsr_jax.statistics.multiplicity import adjust
from qsr_jax.statistics.outcomes import Outcome, Verdict

RULES = ("all", "each")
"""Intersection-union, or Holm."""

DECIDED = (Outcome.SHOWN, Outcome.NOT_SHOWN)


@dataclasses.dataclass(frozen=True)
class Family:
    """The verdicts of one declared family.

    Attributes:
        question: of all members.
        rule: of :data:`RULES`.
        alpha: level of the whole family.
        members: name to verdict; by "each", outcomes are those after Holm's correction.
        outcome: SHOWN where every member is, else NOT_SHOWN where one is not, else what keeps
            it from being decided.
        shown: how many members are shown.
        worst: the member whose interval reaches farthest beyond its margin, None without any.
    """

    question: str
    rule: str
    alpha: float
    members: dict[str, Verdict]
    outcome: Outcome
    shown: int
    worst: str | None

    @property
    def said(self) -> str:
        """The outcome in words: "shown in 5 of 6; farthest out GM T2"."""
        counts = Counter(v.outcome for v in self.members.values())
        parts = [f"shown in {self.shown} of {len(self.members)}"]
        parts += [f"{counts[o]} {o.value}" for o in Outcome if o not in DECIDED and counts[o]]
        parts += [f"farthest out {self.worst}"] if self.worst else []
        return "; ".join(parts)


def decide_family(verdicts: Mapping[str, Verdict], *, rule: str) -> Family:
    """Decides a declared family of verdicts on one question.

    Args:
        verdicts: name to verdict, one question at one alpha.
        rule: "all" or "each".

    Raises:
        ValueError: no verdict, different questions or levels, or an unknown rule.

    >>> from qsr_jax.statistics.outcomes import Outcome, Verdict
    >>> def verdict(p):
    ...     return Verdict("mean", Outcome.SHOWN, "", 12, "%", 5.0, 0.05, reach=10 * p, p=p)
    >>> both = {"GM": verdict(0.04), "WM": verdict(0.03)}
    >>> decide_family(both, rule="all").said
    'shown in 2 of 2; farthest out GM'
    >>> decide_family(both, rule="each").said
    'shown in 0 of 2; farthest out GM'
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r} is not one of {', '.join(RULES)}")
    asked = {(v.question, v.alpha) for v in verdicts.values()}
    if len(asked) != 1:
        raise ValueError(f"a family is one question at one level, got {sorted(asked) or 'none'}")
    ((question, alpha),) = asked
    members = dict(verdicts) if rule == "all" else _corrected(verdicts)
    outcomes = [v.outcome for v in members.values()]
    order = (Outcome.NOT_SHOWN, Outcome.UNDECIDABLE, Outcome.TOO_FEW, Outcome.NOT_COMPUTED)
    outcome = next((o for o in order if o in outcomes), Outcome.SHOWN)
    reach = {name: v.reach for name, v in members.items() if v.reach is not None}
    worst = max(reach, key=lambda name: reach[name], default=None)
    return Family(question, rule, alpha, members, outcome, outcomes.count(Outcome.SHOWN), worst)


def _corrected(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Verdicts after Holm's correction over all of them."""
    p = [1.0 if v.p is None or v.outcome not in DECIDED else v.p for v in verdicts.values()]
    members = {}
    for (name, verdict), holm in zip(verdicts.items(), adjust(p).holm.tolist(), strict=True):
        if verdict.outcome not in DECIDED:
            members[name] = verdict
            continue
        lost = verdict.shown and holm >= verdict.alpha
        reason = f"{verdict.reason}; P {verdict.p:.2g}, {holm:.2g} after Holm over {len(p)}"
        members[name] = dataclasses.replace(
            verdict,
            p_holm=holm,
            outcome=Outcome.NOT_SHOWN if lost else verdict.outcome,
            reason=reason if lost else verdict.reason,
        )
    return members
