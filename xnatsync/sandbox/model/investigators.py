"""People responsible for projects: one table of the site; projects refer to its rows (src DefaultInvestigatorService).

A project shows the values of the rows that it refers to: a change of a row is written to its projects, too.  A person
who is named in a project by first and last name is the row of that name, a new one when there is none (*doubt*).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.objects import Investigator, Part, Project
from xnatsync.sandbox.model.site import Site

FIELDS: Final = ("title", "firstname", "lastname", "institution", "department", "email", "phone")
TYPE: Final = "xnat:investigatorData"
KEY: Final = "xnat_investigatordata_id"
_NAMES: Final = {"firstname": "pi_firstname", "lastname": "pi_lastname"}  # a project keeps these under short names
_OTHERS: Final = "investigators/investigator"
_REFERENCE: Final = re.compile(rf"pi_{KEY}|PI/{KEY}|{_OTHERS}\[\d{{1,5}}\]/{KEY}", re.IGNORECASE)


def is_reference(path: str) -> bool:
    """Tell whether a path of a project names an investigator by the key of its row."""
    return _REFERENCE.fullmatch(path) is not None


def rows(site: Site) -> list[Investigator]:
    """Return all investigators by name."""
    return sorted(site.record.investigators.values(), key=lambda one: (_get(one, "lastname"), _get(one, "firstname")))


def described(site: Site, one: Investigator) -> dict[str, object]:
    """Return an investigator with the projects that name them; fields without a value are absent."""
    projects = site.projects.values()
    return {
        "xnatInvestigatordataId": one.id,
        **{name: one.fields[name] for name in FIELDS if name in one.fields},
        "primaryProjects": sorted(each.id for each in projects if each.pi == one.id),
        "investigatorProjects": sorted(each.id for each in projects if one.id in each.investigators),
        "insertUser": one.inserted_by,
        "xsiType": TYPE,
    }


def create(site: Site, values: Mapping[str, str], user: User) -> Investigator:
    """Make an investigator; first and last name are needed, and nobody else has both."""
    if not values.get("firstname", "").strip() or not values.get("lastname", "").strip():
        raise ModelError(400, "Can't create investigator without a first or last name.")
    if _named(site, values) is not None:
        raise ModelError(409, f"{TYPE} {values['firstname']} {values['lastname']} already exists.")
    made = Investigator(site.next_key(), {name: values[name] for name in FIELDS if values.get(name)}, user.login)
    site.record.investigators[str(made.id)] = made
    site.save_site()
    return made


def find(site: Site, number: str) -> Investigator:
    """Find an investigator by the key of the row."""
    found = site.record.investigators.get(number)
    if found is None:
        raise ModelError(404, f"{TYPE} ID = {number}")
    return found


def change(site: Site, one: Investigator, values: Mapping[str, str]) -> bool:
    """Set all fields, those not given to nothing as XNAT does; tell whether anything changed."""
    wanted = {name: values[name] for name in FIELDS if values.get(name)}
    if wanted == one.fields:
        return False
    one.fields = wanted
    _rewrite(site, one, one)
    return True


def delete(site: Site, one: Investigator) -> None:
    """Remove an investigator; projects no longer name them."""
    del site.record.investigators[str(one.id)]
    _rewrite(site, one, None)


def check(site: Site, references: Mapping[str, str]) -> None:
    """Refuse keys that no row has, before anything is done."""
    if unknown := sorted(set(references.values()) - set(site.record.investigators)):
        raise ModelError(400, f"There is no investigator {', '.join(unknown)}.")


def settle(site: Site, project: Project, references: Mapping[str, str], user: User) -> bool:
    """Settle the people of a project after its own values are set; tell whether anything changed.

    `references` are keys of rows by path.
    """
    before = (project.pi, list(project.investigators))
    for path, number in references.items():
        one = find(site, number)
        if not path.lower().startswith(_OTHERS):
            _show_pi(project, one)
        elif one.id not in project.investigators:
            project.investigators.append(one.id)
            project.parts.setdefault(_OTHERS, []).append(Part(TYPE, dict(one.fields)))
    project.pi = _row_of(site, _pi_values(project), user)
    project.investigators = [_row_of(site, part.values, user) for part in project.parts.get(_OTHERS, ())]
    return before != (project.pi, project.investigators)


def _row_of(site: Site, values: Mapping[str, str], user: User) -> int:
    """Return the row of the person who is named, with their values; 0 for somebody without both names."""
    if not values.get("firstname") or not values.get("lastname"):
        return 0
    one = _named(site, values) or create(site, values, user)
    wanted = {name: values[name] for name in FIELDS if values.get(name)}
    if wanted != one.fields:
        one.fields |= wanted
        _rewrite(site, one, one)
    return one.id


def _rewrite(site: Site, one: Investigator, new: Investigator | None) -> None:
    """Show the values of a row in the projects that refer to it; nobody when it is gone."""
    for project in site.projects.values():
        if project.pi == one.id:
            _show_pi(project, new)
        others = project.parts.get(_OTHERS, [])
        for at in reversed([at for at, number in enumerate(project.investigators) if number == one.id]):
            if new is None:
                del project.investigators[at], others[at]
            else:
                others[at].values = dict(new.fields)
        if not others:
            project.parts.pop(_OTHERS, None)
        site.save(project)
    site.save_site()


def _show_pi(project: Project, one: Investigator | None) -> None:
    for key in [key for key in project.fields if key.startswith("PI/") or key in _NAMES.values()]:
        del project.fields[key]
    project.pi = one.id if one is not None else 0
    if one is not None:
        project.fields |= {_NAMES.get(name, f"PI/{name}"): value for name, value in one.fields.items()}


def _pi_values(project: Project) -> dict[str, str]:
    found = {name: project.fields.get(_NAMES.get(name, f"PI/{name}"), "") for name in FIELDS}
    return {name: value for name, value in found.items() if value}


def _named(site: Site, values: Mapping[str, str]) -> Investigator | None:
    names = (values.get("firstname", ""), values.get("lastname", ""))
    everybody: Iterable[Investigator] = site.record.investigators.values()
    return next((one for one in everybody if (_get(one, "firstname"), _get(one, "lastname")) == names), None)


def _get(one: Investigator, name: str) -> str:
    return one.fields.get(name, "")
