"""People responsible for projects: `/xapi/investigators` and `/data/investigators` (src InvestigatorsApi)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.loading import model_errors
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import investigators
from xnatsync.sandbox.model.site import Site

_ROOT: Final = "/xapi/investigators"
_SHOWN: Final = frozenset(  # what an answer has besides the fields: it may come back, nothing follows from it
    "xnatInvestigatordataId id primaryProjects investigatorProjects insertDate insertUser xsiType".split()  # noqa: SIM905
)
_COLUMNS: Final = ("firstname", "lastname", "institution", "department", "email")


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    people = _Investigators(site)
    routes.add("GET", _ROOT, people.all)
    routes.add("POST", _ROOT, people.create)
    routes.add("GET", f"{_ROOT}/{{INVESTIGATOR}}", people.one)
    routes.add("PUT", f"{_ROOT}/{{INVESTIGATOR}}", people.change)
    routes.add("DELETE", f"{_ROOT}/{{INVESTIGATOR}}", people.delete)
    routes.add("GET", "/investigators", people.table)


@dataclass(frozen=True, slots=True)
class _Investigators:
    site: Site

    def all(self, _request: Request, _match: Match) -> Response:
        """List everybody by name."""
        with self.site.lock:
            return json_answer([investigators.described(self.site, one) for one in investigators.rows(self.site)])

    def table(self, request: Request, _: Match) -> Response:
        """List everybody with the login of the account that has their name or e-mail."""
        with self.site.lock:
            found = [
                {
                    **{name: one.fields.get(name, "") for name in _COLUMNS},
                    investigators.KEY: str(one.id),
                    "login": self._login(one.fields),
                }
                for one in investigators.rows(self.site)
            ]
        return listing_response(request, found, title="Investigators")

    def one(self, _: Request, match: Match) -> Response:
        """Show one."""
        with self.site.lock, model_errors():
            found = investigators.find(self.site, _number(match))
            return json_answer(investigators.described(self.site, found))

    def create(self, request: Request, _: Match) -> Response:
        """Make one."""
        values = _values(request)
        with self.site.lock, model_errors():
            made = investigators.create(self.site, values, request.user)
            return json_answer(investigators.described(self.site, made))

    def change(self, request: Request, match: Match) -> Response:
        """Change one; without a difference the answer is empty, as XNAT's."""
        values = _values(request)
        with self.site.lock, model_errors():
            found = investigators.find(self.site, _number(match))
            if not investigators.change(self.site, found, values):
                return Response()
            return json_answer(investigators.described(self.site, found))

    def delete(self, request: Request, match: Match) -> Response:
        """Remove one; administrators alone may."""
        with self.site.lock, model_errors():
            if not request.user.admin:
                raise Refusal(403, "The user may not delete investigators.")
            investigators.delete(self.site, investigators.find(self.site, _number(match)))
        return json_answer(content=True)

    def _login(self, fields: dict[str, str]) -> str:
        names = [fields.get("firstname", "").lower(), fields.get("lastname", "").lower()]
        email = fields.get("email", "")
        return next(
            (
                user.login
                for user in self.site.accounts
                if [user.firstname.lower(), user.lastname.lower()] == names or (email and user.email == email)
            ),
            "",
        )


def _number(match: Match) -> str:
    number = match.values["INVESTIGATOR"]
    if not number.isdecimal():
        raise Refusal(400, f"{number} is no number of an investigator.")
    return str(int(number))


def _values(request: Request) -> dict[str, str]:
    if request.user.guest:
        raise Refusal(403, "Insufficient privileges.")
    if request.content_type != "application/json":
        raise Refusal(415, f"Content type '{request.content_type}' not supported")
    given = request.json()
    if not isinstance(given, dict):
        raise Refusal(400, "An investigator is a JSON object.")
    if unknown := sorted(set(given) - _SHOWN - set(investigators.FIELDS)):
        raise Refusal(400, f"An investigator has no {', '.join(unknown)}.")
    fields = {name: given[name] for name in investigators.FIELDS if given.get(name) is not None}
    if wrong := [name for name, value in fields.items() if not isinstance(value, str) or len(value) > 255]:
        raise Refusal(400, f"These values are no texts of at most 255 characters: {', '.join(wrong)}")
    return fields
