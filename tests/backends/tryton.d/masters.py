"""Master data: units, sites, items with their supplier, accounts with their ship-tos and part numbers."""

import datetime
from decimal import Decimal
from fractions import Fraction

# The unit of Tryton, by symbol, for a UN/ECE Rec 20 code that a base unit may have.
UNITS = {"EA": "u", "KGM": "kg", "LBR": "lb", "MTR": "m", "FOT": "ft", "LTR": "l", "GLL": "gal"}
COST_OF_LIST = Decimal("0.6")
SUPPLIER = "GENERAL"


def units(load):
    """The base units as Tryton brings them; a pack by its factor, as `XCT-12`: units are global in Tryton."""
    load.units, packs = {}, {}
    for item in load.seed["items"]:
        base = item["base_unit"]
        if base not in load.units:
            if base not in UNITS:
                raise LookupError(f"the base unit {base} has no unit of Tryton: add it to UNITS in masters.py")
            symbol = UNITS[base]
            load.units[base] = {"id": load.find("product.uom", [("symbol", "=", symbol)]), "symbol": symbol}
        for pack in item["alternate_units"]:
            packs[pack_symbol(pack)] = (base, Fraction(pack["numerator"], pack["denominator"]))
    for symbol, (base, factor) in packs.items():
        unit = load.call("product.uom", "read", [load.units[base]["id"]], ["category", "factor"])[0]
        size = unit["factor"] * float(factor)
        created, = load.create("product.uom", [{
            "name": symbol, "symbol": symbol, "category": unit["category"],
            "factor": size, "rate": round(1 / size, 12), "rounding": 1.0, "digits": 0}])
        load.units[symbol] = {"id": created, "symbol": symbol, "base": base, "factor": str(factor)}


def pack_symbol(pack):
    """The Rec 20 code and how many base units, as `XCT-12` or `XRO-25/2`."""
    return f"{pack['unit']}-{Fraction(pack['numerator'], pack['denominator'])}"


def sites(load):
    """One warehouse a site, in the place of the one that Tryton brings, whose id is the same in every database."""
    brought = load.find("stock.location", [("type", "=", "warehouse")])
    load.sites = {}
    parts = {"input": "storage", "output": "storage", "storage": "storage", "lost_found": "lost_found",
             # Outside of the warehouse, because its stock is that of all below it.
             "quality": "storage", "reserved": "storage"}
    for site in load.seed["sites"]:
        code = site["id"]
        made = load.create("stock.location", [
            {"name": f"{code} {part}", "code": f"{code}-{part.upper()}", "type": kind} for part, kind in parts.items()])
        place = dict(zip(parts, made))
        zones = {f"{part}_location": place[part] for part in ("input", "output", "storage", "lost_found")}
        place["id"], = load.create("stock.location", [{"name": site["name"], "code": code, "type": "warehouse", **zones}])
        load.sites[code] = place
    below = load.call("stock.location", "search", [("parent", "child_of", [brought], "parent")], 0, None, None)
    load.call("stock.location", "write", below, {"active": False})


def supplier(load):
    """The one supplier that everything comes from: the seed names none."""
    load.supplier, = load.create("party.party", [{
        "name": "General supplier", "code": SUPPLIER, "addresses": [("create", [{"invoice": True}])]}])


def items(load):
    """A template with one product an item, its categories, its GTIN, and its lead time from the supplier."""
    listed = list_prices(load.seed)
    categories = item_categories(load)
    rows = [item_row(load, item, listed[item["id"]], categories) for item in load.seed["items"]]
    templates = load.create("product.template", rows)
    found = load.call("product.product", "search_read", [("template", "in", templates)], 0, None, None, ["template"])
    by_template = {row["template"]: row["id"] for row in found}
    codes = [item["id"] for item in load.seed["items"]]
    load.templates = dict(zip(codes, templates))
    load.products = {code: by_template[template] for code, template in load.templates.items()}
    load.costs = {code: cost(price) for code, price in listed.items()}
    load.create("purchase.product_supplier", [{
        "template": load.templates[item["id"]], "product": load.products[item["id"]], "party": load.supplier,
        "company": load.company, "currency": load.currency,
        "lead_time": datetime.timedelta(days=item["lead_time_days"]),
        "prices": [("create", [{"quantity": 0, "unit_price": load.costs[item["id"]]}])],
    } for item in load.seed["items"]])


def list_prices(seed):
    """The list price of one base unit on the day of the seed, by item."""
    bases = {item["id"]: item["base_unit"] for item in seed["items"]}
    prices = dict.fromkeys(bases, Decimal(0))
    for record in seed["prices"]:
        valid = record["valid_from"] <= seed["base_date"] <= (record["valid_to"] or "9999")
        if record["kind"] == "list" and valid and record["unit"] == bases[record["item"]] \
                and not Decimal(record["from_quantity"]):
            prices[record["item"]] = Decimal(record["price"]) / record["per"]
    return prices


def cost(price):
    """What an item costs the seller; the seed does not say."""
    return (price * COST_OF_LIST).quantize(Decimal("0.0001"))


def item_categories(load):
    """A category a family, and one an UNSPSC class, both below a root; by (root, code)."""
    wanted = [("FAMILY", item["family"]) for item in load.seed["items"]]
    wanted += [("UNSPSC", item["unspsc"]) for item in load.seed["items"] if item["unspsc"]]
    wanted = list(dict.fromkeys(wanted))
    roots = dict(zip(("FAMILY", "UNSPSC"), load.create(
        "product.category", [{"name": name, "code": name} for name in ("FAMILY", "UNSPSC")])))
    created = load.create("product.category", [
        {"name": code, "code": code, "parent": roots[root]} for root, code in wanted])
    return dict(zip(wanted, created))


def item_row(load, item, price, categories):
    """The template of one item; a discontinued one can be read and not sold."""
    active = item["status"] == "active"
    unit = load.units[item["base_unit"]]["id"]
    identifiers = [{"type": "ean", "code": item["gtin"]}] if item["gtin"] else []
    identifiers += [{"code": f"{pack_symbol(pack)}:{pack['gtin']}"} for pack in item["alternate_units"] if pack["gtin"]]
    keys = [("FAMILY", item["family"]), ("UNSPSC", item["unspsc"])]
    return {
        "name": item["description"], "code": item["id"], "type": "goods", "list_price": price,
        "default_uom": unit, "salable": active, "sale_uom": unit, "purchasable": True, "purchase_uom": unit,
        "cost_price_method": "fixed", "account_category": load.accounting_category,
        "categories": [("add", [categories[key] for key in keys if key in categories])],
        "products": [("create", [{"cost_price": cost(price), "identifiers": [("create", identifiers)]}])],
    }


def accounts(load):
    """A party an account, a category a price group, the parent as a relation, and every name others give it."""
    groups = sorted({account["price_group"] for account in load.seed["accounts"] if account["price_group"]})
    categories = dict(zip(groups, load.create("party.category", [{"name": name} for name in groups])))
    places = countries(load)
    created = load.create("party.party", [account_row(load, account, categories) for account in load.seed["accounts"]])
    load.parties = {account["id"]: party for account, party in zip(load.seed["accounts"], created)}
    addresses, names = [], []
    for account in load.seed["accounts"]:
        party = load.parties[account["id"]]
        addresses.append(address_row(party, account["name"], account["address"], places) | {
            "invoice": True, "sequence": 0})
        names.append([(scheme(name), name["value"]) for name in account["identifiers"]])
        for sequence, ship_to in enumerate(account["ship_tos"], 1):
            addresses.append(address_row(party, ship_to["name"], ship_to["address"], places) | {
                "delivery": True, "sequence": sequence})
            names.append([("SHIPTO", ship_to["id"])] + [(scheme(name), name["value"]) for name in ship_to["identifiers"]])
    created = load.create("party.address", addresses)
    load.create("party.identifier", [
        {"party": row["party"], "code": f"{kind}:{value}", "address": None if row.get("invoice") else address}
        for row, address, given in zip(addresses, created, names) for kind, value in given])
    relations(load)


def account_row(load, account, categories):
    """The party of one account; who is blocked has a credit limit of 0, and one who is closed is not active."""
    blocked = account["blocked"] or account["credit"]["blocked"]
    limit = account["credit"]["limit"]
    return {
        "name": account["name"], "code": account["id"], "active": account["active"],
        "categories": [("add", [categories[account["price_group"]]] if account["price_group"] else [])],
        "customer_payment_term": load.terms[account["payment_terms"]],
        "credit_limit_amount": Decimal(0) if blocked else None if limit is None else Decimal(limit),
    }


def countries(load):
    """The countries and regions of the seed's addresses, by ISO code."""
    told = [account["address"] for account in load.seed["accounts"]]
    told += [ship_to["address"] for account in load.seed["accounts"] for ship_to in account["ship_tos"]]
    codes = sorted({address["country"] for address in told})
    places = dict(zip(codes, load.create("country.country", [{"name": code, "code": code} for code in codes])))
    regions = sorted({(address["country"], address["region"]) for address in told if address["region"]})
    created = load.create("country.subdivision", [
        {"country": places[country], "code": f"{country}-{region}", "name": region, "type": "state"}
        for country, region in regions])
    return places | dict(zip(regions, created))


def address_row(party, name, address, places):
    """One postal address."""
    return {
        "party": party, "party_name": name, "street_unstructured": address["street"], "city": address["city"],
        "postal_code": address["postal_code"], "country": places[address["country"]],
        "subdivision": places.get((address["country"], address["region"])),
    }


def scheme(identifier):
    """The prefix of an identifier: Tryton has no type for these schemes."""
    return {"duns": "DUNS", "gln": "GLN", "location": "LOC"}.get(identifier["scheme"], "OTHER")


def relations(load):
    """`Parent` and `Child` between accounts: Tryton rolls nothing up along them."""
    parent, child = load.create("party.relation.type", [{"name": "Parent"}, {"name": "Child"}])
    load.call("party.relation.type", "write", [parent], {"reverse": child}, [child], {"reverse": parent})
    load.create("party.relation.all", [
        {"from_": load.parties[account["id"]], "to": load.parties[account["parent"]], "type": parent}
        for account in load.seed["accounts"] if account["parent"]])


def lineage(seed, account):
    """The account and those above it, the nearest first."""
    by_code = {one["id"]: one for one in seed["accounts"]}
    line = []
    while account and account["id"] not in [one["id"] for one in line]:
        line.append(account)
        account = by_code.get(account["parent"])
    return line


def part_numbers(load):
    """The customers' own numbers; a child has those of its parents too, nearest first."""
    rows = []
    for account in load.seed["accounts"]:
        numbers = {}
        for one in lineage(load.seed, account):
            for number in one["part_numbers"]:
                numbers.setdefault(number["item"], number["part_number"])
        rows += [{
            "template": load.templates[item], "product": load.products[item], "party": load.parties[account["id"]],
            "code": number, "name": number} for item, number in numbers.items()]
    load.create("sale.product_customer", rows)
