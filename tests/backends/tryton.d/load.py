"""Loads the sandbox's seed description into an empty Tryton database.

    TRYTOND_CONFIG=trytond.conf load.py DATABASE ROLE SEED OUT

SEED is what `sandbox --print-seed` prints, OUT the file that gets the ids a test cannot look up by a code. ROLE is one of
erp, erp2, wms, crm: it decides what the gateway's user may do, and what beside the master data is in. The configuration
comes by the environment, because Tryton chooses SQLite or PostgreSQL when it is imported. Runs Tryton in this process;
everything is created in batches, because a call costs far more than a record.
"""

import datetime
import json
import os
import sys
import time

from proteus import Model, config as proteus_config
from trytond import config as trytond_config

# The second company: the same seed by another name, so that what is asked of the wrong company is refused.
SECOND_COMPANY = ("NWI2", "Northwind Industrial Supply Two")


class Load:
    """One load: the seed, the connection, and what later steps need of earlier ones."""

    def __init__(self, database, role, seed):
        config = os.environ["TRYTOND_CONFIG"]
        uri = trytond_config.get("database", "uri").rstrip("/") + "/" + database
        self.proteus = proteus_config.set_trytond(database=uri, user="admin", config_file=config)
        self.role = role
        self.seed = seed
        self.today = datetime.date.fromisoformat(seed["base_date"])
        self.left_out = {}
        if role == "erp2":
            seed["company"]["id"], seed["company"]["name"] = SECOND_COMPANY

    @property
    def is_erp(self):
        """Whether this database keeps the books."""
        return self.role in ("erp", "erp2")

    def create(self, model, rows):
        """Creates all rows in one call; their ids, in order."""
        return self.call(model, "create", rows) if rows else []

    def call(self, model, method, *arguments):
        """Calls one method of a model as the administrator, with the company in the context."""
        return getattr(Model.get(model)._proxy, method)(*arguments, self.proteus.context)

    def find(self, model, domain, field="id"):
        """The field of the only record that the domain names."""
        rows = self.call(model, "search_read", domain, 0, 2, None, [field])
        if len(rows) != 1:
            raise LookupError(f"{model} {domain}: one record expected, {len(rows)} found")
        return rows[0][field]

    def xml(self, name):
        """The id of a record that a module brings, as `module.name`."""
        return self.call("ir.model.data", "get_id", name)

    def leave_out(self, what, count=1):
        """Counts something that Tryton has no place for; docs/backends/tryton.md says what and why."""
        self.left_out[what] = self.left_out.get(what, 0) + count


def main(database, role, seed_path, out_path):
    """Loads everything, and writes what a test needs to know."""
    import company
    import masters
    import opening
    import prices
    import users

    with open(seed_path, encoding="utf-8") as file:
        load = Load(database, role, json.load(file))
    steps = [
        company.company, company.books, company.terms,
        masters.units, masters.sites, masters.supplier, masters.items, masters.accounts, masters.part_numbers,
        prices.price_lists, opening.stock, opening.receipts, opening.receivables, users.users,
    ]
    for step in steps:
        start = time.monotonic()
        step(load)
        print(f"    {role}: {step.__name__.replace('_', ' ')}: {time.monotonic() - start:.1f} s", flush=True)
    for what, count in sorted(load.left_out.items()):
        print(f"    {role}: left out, {count}: {what}", flush=True)
    facts = {
        "company": {"id": load.company, "code": load.seed["company"]["id"]},
        "currency": {"id": load.currency, "code": load.seed["company"]["currency"]},
        "base_date": load.seed["base_date"],
        "tax": load.tax,
        "units": load.units,
        "sites": {code: site["id"] for code, site in load.sites.items()},
        "left_out": load.left_out,
    }
    with open(out_path, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2, sort_keys=True)


if __name__ == "__main__":
    sys.modules["load"] = sys.modules["__main__"]
    main(*sys.argv[1:])
