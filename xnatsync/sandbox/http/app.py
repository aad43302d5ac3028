"""All routes of the sandbox, in one list."""

from __future__ import annotations

from collections.abc import Callable

from xnatsync.sandbox.http import (
    absent_routes,
    accounts_routes,
    anonymise_routes,
    archive_routes,
    audit_routes,
    cache_routes,
    config_routes,
    container_routes,
    customfield_routes,
    datatype_routes,
    dicomdump_routes,
    direct_routes,
    experiment_routes,
    export_routes,
    file_routes,
    group_routes,
    header_routes,
    import_routes,
    investigator_routes,
    item_routes,
    listing_routes,
    member_routes,
    overview_routes,
    pipeline_routes,
    plugin_routes,
    prearchive_routes,
    project_routes,
    reconstruction_routes,
    refresh_routes,
    resource_routes,
    scan_routes,
    schema_routes,
    search_routes,
    site_routes,
    subject_routes,
    user_routes,
    workflow_routes,
    xmlupload_routes,
)
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.site import Site

ATTACH: tuple[Callable[[Routes, Site], None], ...] = (
    accounts_routes.attach,
    site_routes.attach,
    project_routes.attach,
    subject_routes.attach,
    experiment_routes.attach,
    export_routes.attach,
    scan_routes.attach,
    reconstruction_routes.attach,
    resource_routes.attach,
    file_routes.attach,
    cache_routes.attach,
    config_routes.attach,
    customfield_routes.attach,
    member_routes.attach,
    group_routes.attach,
    refresh_routes.attach,
    user_routes.attach,
    workflow_routes.attach,
    listing_routes.attach,
    item_routes.attach,
    schema_routes.attach,
    datatype_routes.attach,
    search_routes.attach,
    overview_routes.attach,
    import_routes.attach,
    prearchive_routes.attach,
    archive_routes.attach,
    audit_routes.attach,
    direct_routes.attach,
    anonymise_routes.attach,
    dicomdump_routes.attach,
    header_routes.attach,
    xmlupload_routes.attach,
    investigator_routes.attach,
    plugin_routes.attach,
    container_routes.attach,
    pipeline_routes.attach,
    absent_routes.attach,  # last: a longer route, or the same one, wins
)


def build_routes(site: Site) -> Routes:
    """Build the table of routes for a site."""
    routes = Routes()
    for attach in ATTACH:
        attach(routes, site)
    return routes
