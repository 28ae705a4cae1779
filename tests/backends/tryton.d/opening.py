"""What is there on the first day: stock, expected receipts, and what customers owe."""

import datetime
from decimal import Decimal


def stock(load):
    """On hand by a count; inspection apart; set aside as an assigned internal shipment; safety as an order point."""
    counted, inspected, apart, points = {}, [], {}, []
    for record in load.seed["stock"]:
        product, site = load.products[record["item"]], load.sites[record["site"]]
        if Decimal(record["on_hand"]):
            counted.setdefault(site["storage"], []).append((product, record["on_hand"]))
        if Decimal(record["quality"]):
            inspected.append({
                "product": product, "quantity": float(record["quality"]), "unit": unit_of(load, record["item"]),
                "from_location": site["lost_found"], "to_location": site["quality"], "company": load.company,
                "effective_date": load.today})
        if Decimal(record["reserved"]):
            apart.setdefault(record["site"], []).append((record["item"], record["reserved"]))
        if Decimal(record["safety"]):
            points.append({
                "type": "purchase", "product": product, "location": site["id"], "company": load.company,
                "min_quantity": float(record["safety"]), "target_quantity": float(record["safety"])})
    inventories = load.create("stock.inventory", [{
        "location": location, "company": load.company, "date": load.today, "empty_quantity": "keep",
        "lines": [("create", [{"product": product, "quantity": float(count)} for product, count in lines])],
    } for location, lines in counted.items()])
    load.call("stock.inventory", "confirm", inventories)
    # Not by a count: Tryton counts below a warehouse only.
    load.call("stock.move", "do", load.create("stock.move", inspected))
    set_aside(load, apart)
    load.create("stock.order_point", points)


def set_aside(load, apart):
    """Goods that stay on hand and cannot be assigned again: an internal shipment that is assigned and never done."""
    for code, lines in apart.items():
        site = load.sites[code]
        shipment = load.create("stock.shipment.internal", [{
            "company": load.company, "from_location": site["storage"], "to_location": site["reserved"],
            "planned_date": load.today, "planned_start_date": load.today, "reference": f"SET-ASIDE-{code}",
            "moves": [("create", [{
                "product": load.products[item], "quantity": float(count), "unit": unit_of(load, item),
                "from_location": site["storage"], "to_location": site["reserved"], "company": load.company,
                "planned_date": load.today} for item, count in lines])],
        }])
        load.call("stock.shipment.internal", "wait", shipment)
        load.call("stock.shipment.internal", "assign_try", shipment)
        state = load.call("stock.shipment.internal", "read", shipment, ["state"])[0]["state"]
        if state != "assigned":
            raise RuntimeError(f"what is set aside at {code} is {state}, not assigned")


def unit_of(load, item):
    """The base unit of an item."""
    if not hasattr(load, "base_units"):
        load.base_units = {one["id"]: load.units[one["base_unit"]]["id"] for one in load.seed["items"]}
    return load.base_units[item]


def receipts(load):
    """Supplier orders in the ERP, supplier shipments in the WMS; what is not confirmed stays a draft or is left out."""
    if load.role == "crm":
        return
    told = [(record, receipt) for record in load.seed["stock"] for receipt in record["receipts"]]
    if load.is_erp:
        rows = [purchase_row(load, record, receipt) for record, receipt in told]
        created = load.create("purchase.purchase", rows)
        confirmed = [order for order, (_, receipt) in zip(created, told) if receipt["confirmed"]]
        load.call("purchase.purchase", "quote", confirmed)
        load.call("purchase.purchase", "confirm", confirmed)
        return
    load.outside = load.find("stock.location", [("type", "=", "supplier")])
    expected = [(record, receipt) for record, receipt in told if receipt["confirmed"]]
    load.create("stock.shipment.in", [shipment_row(load, record, receipt) for record, receipt in expected])
    if len(expected) < len(told):
        load.leave_out("receipts that no supplier has confirmed, in the WMS", len(told) - len(expected))


def purchase_row(load, record, receipt):
    """The supplier order of one receipt, under its number."""
    item = record["item"]
    date = datetime.date.fromisoformat(receipt["date"])
    if not hasattr(load, "supplier_address"):
        load.supplier_address = load.find("party.address", [("party", "=", load.supplier)])
    return {
        "party": load.supplier, "company": load.company, "currency": load.currency,
        "warehouse": load.sites[record["site"]]["id"], "invoice_address": load.supplier_address,
        "purchase_date": load.today, "reference": receipt["number"], "delivery_date": date,
        "lines": [("create", [{
            "product": load.products[item], "quantity": float(receipt["quantity"]), "unit": unit_of(load, item),
            "unit_price": load.costs[item]}])],
    }


def shipment_row(load, record, receipt):
    """The supplier shipment of one receipt, expected on its day."""
    item, site = record["item"], load.sites[record["site"]]
    date = datetime.date.fromisoformat(receipt["date"])
    return {
        "supplier": load.supplier, "company": load.company, "warehouse": site["id"], "reference": receipt["number"],
        "planned_date": date, "warehouse_input": site["input"], "warehouse_storage": site["storage"],
        "incoming_moves": [("create", [{
            "product": load.products[item], "quantity": float(receipt["quantity"]), "unit": unit_of(load, item),
            "from_location": load.outside, "to_location": site["input"],
            "company": load.company, "currency": load.currency, "unit_price": load.costs[item],
            "planned_date": date}])],
    }


def receivables(load):
    """Each account's exposure as posted receivables, so that Tryton counts against the limit what the sandbox counts."""
    journal = load.find("account.journal", [("code", "=", "MISC")])
    moves = []
    for account in load.seed["accounts"] if load.is_erp else []:
        credit = account["credit"]
        parts = {name: Decimal(credit[name]) for name in (
            "open_orders", "delivered_not_invoiced", "invoiced_not_posted", "receivables")}
        parts["unapplied"] = -Decimal(credit["unapplied"])
        due = load.today + datetime.timedelta(days=account["payment_days"])
        if credit["oldest_overdue_days"]:
            due = load.today - datetime.timedelta(days=credit["oldest_overdue_days"])
        lines = [line for name, amount in parts.items() if amount
                 for line in move_lines(load, load.parties[account["id"]], name, amount, due)]
        if lines:
            moves.append({
                "journal": journal, "date": load.today, "company": load.company,
                "description": f"Opening {account['id']}", "lines": [("create", lines)]})
    for move in moves:
        move["period"] = load.find("account.period", [
            ("start_date", "<=", load.today), ("end_date", ">=", load.today), ("company", "=", load.company),
            ("type", "=", "standard")])
    created = load.create("account.move", moves)
    if created:
        load.call("account.move", "post", created)


def move_lines(load, party, name, amount, due):
    """The receivable and its counterpart."""
    debit, credit = max(amount, Decimal(0)), max(-amount, Decimal(0))
    return [
        {"account": load.accounts["receivable"], "party": party, "debit": debit, "credit": credit,
         "maturity_date": due, "description": name},
        {"account": load.accounts["revenue"], "debit": credit, "credit": debit, "description": name},
    ]
