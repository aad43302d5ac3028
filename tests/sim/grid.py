"""Tables of faults by the methods of a port: which cells must be filled, which cannot be and why."""

from __future__ import annotations

from collections.abc import Mapping

Cell = tuple[str, str]  # a fault, and the method with its port
Table = tuple[str, str, tuple[str, ...], tuple[str, ...]]  # title, port, faults and methods
Reason = tuple[tuple[str, ...], str]  # the only methods that a fault can meet, and why no other


class Grid:
    """Which fault can meet which method of a port, and why the others never do: the tables of docs/testing.md."""

    def __init__(self, tables: tuple[Table, ...], only: Mapping[Cell, Reason]) -> None:
        """`only` names, by table and fault, the faults of some methods alone."""
        self.tables, self.only = tables, only
        self._possible = tuple(
            (fault, prefix + method)
            for title, prefix, faults, methods in tables
            for fault in faults
            for method in methods
            if (title, fault) not in only or method in only[title, fault][0]
        )

    def possible(self) -> tuple[Cell, ...]:
        """Every cell that must be filled."""
        return self._possible

    def empty(self, fired: Mapping[Cell, int]) -> list[Cell]:
        """The cells that ought to be filled and are not."""
        return [cell for cell in self._possible if not fired.get(cell)]

    def unexpected(self, fired: Mapping[Cell, int]) -> list[Cell]:
        """The cells that are filled although we explain why they are empty."""
        tabled = {
            (fault, prefix + method)
            for _, prefix, faults, methods in self.tables
            for fault in faults
            for method in methods
        }
        return sorted(cell for cell in fired if cell in tabled and cell not in self._possible)

    def table(self, fired: Mapping[Cell, int]) -> str:
        """Fault by port method in Markdown, and a reason for each row that has empty cells."""
        lines = []
        for title, prefix, faults, methods in self.tables:
            lines += ["", f"| {title} | " + " | ".join(f"`{method}`" for method in methods) + " |"]
            lines += ["|---|" + "---:|" * len(methods)]
            for fault in faults:
                cells = (f"{fired.get((fault, prefix + method)) or '–'}" for method in methods)
                lines.append(f"| {fault} | " + " | ".join(cells) + " |")
            reasons = [(fault, why) for (one, fault), (_, why) in self.only.items() if one == title]
            lines += [""] if reasons else []
            lines += [f"* {fault}: {why}." for fault, why in reasons]
        return "\n".join(lines).lstrip("\n")

    def missing(self, text: str) -> list[str]:
        """The lines of the tables that a text has not, whatever numbers stand in them."""
        there = {_without_numbers(line) for line in text.splitlines()}
        drawn = self.table(dict.fromkeys(self._possible, 1)).splitlines()
        return [line for line in drawn if _without_numbers(line) not in there]

    def anywhere(self, fired: Mapping[Cell, int]) -> str:
        """What happens at any boundary: how often, and at how many different ones."""
        tabled = {fault for _, _, faults, _ in self.tables for fault in faults}
        kinds = sorted({fault for fault, _ in fired if fault not in tabled})
        return ", ".join(
            f"{kind} {sum(count for (one, _), count in fired.items() if one == kind)} times at "
            f"{len({where for one, where in fired if one == kind})} boundaries"
            for kind in kinds
        )


def _without_numbers(line: str) -> str:
    return " | ".join("n" if part.strip().replace(",", "").isdigit() else part.strip() for part in line.split("|"))
