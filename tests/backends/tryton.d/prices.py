"""Price lists: Tryton has one a customer and takes its first line that fits, so the layers of the seed are put in order."""

import datetime
from decimal import Decimal

from masters import lineage

# The kinds of price record, the strongest first; `contract_ship_to` has no place, because a price list knows no address.
STRENGTH = ("contract_account", "contract_group", "account_list", "group_list", "list")


def price_lists(load):
    """A list for every combination of holders whose records apply to some account, and the standard list."""
    records = kept_records(load)
    standard = load.create("product.price_list", [list_row(load, "Standard", lines_of(load, records, {}))])[0]
    load.call("sale.configuration", "write", [1], {"sale_price_list": standard})
    held = {(record["kind"], record["holder"]) for record in records if record["holder"]}
    wanted = {}
    for account in load.seed["accounts"]:
        holders = [holder for holder in holders_of(load.seed, account) if holder in held]
        if holders:
            wanted.setdefault(tuple(holders), []).append(load.parties[account["id"]])
    for holders, parties in wanted.items():
        rank = {holder: place for place, holder in enumerate(holders)}
        row = list_row(load, " + ".join(holder for _, holder in holders), lines_of(load, records, rank))
        created, = load.create("product.price_list", [row])
        load.call("party.party", "write", parties, {"sale_price_list": created})


def kept_records(load):
    """The records that Tryton can hold; the others are counted."""
    bases = {item["id"]: item["base_unit"] for item in load.seed["items"]}
    kept = []
    for record in load.seed["prices"]:
        if record["kind"] == "contract_ship_to":
            load.leave_out("prices of a contract for one ship-to")
        elif record["unit"] != bases[record["item"]]:
            load.leave_out("prices of a pack of its own: a pack costs its base units")
        elif record["currency"] != load.seed["company"]["currency"]:
            load.leave_out("prices in another currency than the company's")
        else:
            kept.append(record)
    return kept


def holders_of(seed, account):
    """The (kind, holder) whose records an account may use, the strongest first and the nearest parent first."""
    line = lineage(seed, account)
    accounts = [one["id"] for one in line]
    groups = list(dict.fromkeys(one["price_group"] for one in line if one["price_group"]))
    told = {"contract_account": accounts, "contract_group": groups, "account_list": accounts[:1], "group_list": groups[:1]}
    return [(kind, holder) for kind in STRENGTH for holder in told.get(kind, [])]


def lines_of(load, records, rank):
    """The lines in the order in which the first that fits is the right one: strongest, then the largest break."""
    def fits(record):
        return not record["holder"] or (record["kind"], record["holder"]) in rank

    def order(record):
        strength = rank.get((record["kind"], record["holder"]), len(rank))
        return strength, record["list_priority"], -Decimal(record["from_quantity"]), record["valid_from"]

    lines = [line_row(load, record) for record in sorted(filter(fits, records), key=order) if not is_list_price(record)]
    # What no line names costs the list price of the item.
    return lines + [{"formula": "unit_price"}]


def is_list_price(record):
    """Whether the list price of the item says the same."""
    return record["kind"] == "list" and not Decimal(record["from_quantity"]) and not record["valid_to"]


def line_row(load, record):
    """One line: a fixed price of one base unit, from a quantity on, between two days."""
    price = Decimal(record["price"]) / record["per"]
    quantity = Decimal(record["from_quantity"])
    day = datetime.date.fromisoformat
    return {
        "product": load.products[record["item"]], "quantity": float(quantity) if quantity else None,
        "formula": f'Decimal("{price}")', "start_date": day(record["valid_from"]),
        "end_date": day(record["valid_to"]) if record["valid_to"] else None,
    }


def list_row(load, name, lines):
    """A price list in base units, on top of the list price."""
    return {
        "name": name, "company": load.company, "unit": "product_default", "price": "list_price",
        "lines": [("create", [line | {"sequence": place} for place, line in enumerate(lines, 1)])],
    }
