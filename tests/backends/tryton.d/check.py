"""Looks at running backends as the gateway sees them: by JSON-RPC, as its user, with what tryton.json tells."""

import base64
import datetime
import gzip
import json
import urllib.error
import urllib.request
from decimal import Decimal

from names import USERS
from postgres import Failed

ACCOUNT, ITEM, QUANTITY = "ACME", "SKU-0001", 24


class Session:
    """One user in one database."""

    def __init__(self, rpc, user, context):
        self.rpc, self.authorization, self.context = rpc, None, context
        login = USERS[user]["login"]
        number, token, _ = self.send("common.db.login", [login, {"password": USERS[user]["password"]}, "en"])
        self.authorization = "Session " + base64.b64encode(f"{login}:{number}:{token}".encode()).decode()

    def send(self, method, parameters):
        """One request; an error of Tryton is a failure here."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        body = json.dumps({"id": 1, "method": method, "params": parameters}).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.rpc, body, headers), timeout=300) as answer:
                told = answer.read()
                if answer.headers.get("Content-Encoding") == "gzip":
                    told = gzip.decompress(told)
        except (urllib.error.URLError, OSError) as error:
            raise Failed(f"{self.rpc} {method}: {error}; is it up?") from error
        told = json.loads(told, object_hook=value)
        if "error" in told:
            raise Failed(f"{self.rpc} {method}: {told['error'][:2]}")
        return told["result"]

    def call(self, model, method, *arguments, **context):
        """One method of a model, with the company in the context."""
        return self.send(f"model.{model}.{method}", [*arguments, self.context | context])

    def one(self, model, code, fields):
        """The record of a code."""
        found = self.call(model, "search_read", [["code", "=", code]], 0, 2, None, fields)
        if len(found) != 1:
            raise Failed(f"{self.rpc} {model} {code}: found {len(found)}, wanted 1")
        return found[0]


def value(read):
    """A value of Tryton's JSON."""
    kinds = {
        "Decimal": lambda told: Decimal(told["decimal"]),
        "date": lambda told: datetime.date(told["year"], told["month"], told["day"])}
    return kinds[read["__class__"]](read) if read.get("__class__") in kinds else read


def decimal(number):
    """A number for Tryton's JSON."""
    return {"__class__": "Decimal", "decimal": str(number)}


def check(facts, role):
    """Price, stock by site and credit limit in one database; in an ERP also an order, confirmed."""
    told = facts["databases"][role]
    session = Session(told["rpc"], "gateway", {"company": told["company"]["id"]})
    fields = ["sale_price_list", "credit_limit_amount", "customer_payment_term", "addresses"]
    party = session.one("party.party", ACCOUNT, fields)
    product = session.one("product.product", ITEM, ["code"])
    unit, currency = told["units"]["EA"]["id"], told["currency"]["id"]
    price = session.call(
        "product.product", "read", [product["id"]], ["sale_price_uom"], customer=party["id"],
        price_list=party["sale_price_list"], currency=currency, quantity=QUANTITY, uom=unit)[0]["sale_price_uom"]
    stock = {
        code: session.call("product.product", "read", [product["id"]], ["quantity"], locations=[site])[0]["quantity"]
        for code, site in told["sites"].items()}
    line = f"{role}: {ACCOUNT} pays {price} for each of {QUANTITY} {ITEM}; stock {stock}"
    line += f"; credit limit {party['credit_limit_amount']}"
    if role in ("erp", "erp2"):
        credit = session.call("party.party", "read", [party["id"]], ["credit_amount"])[0]["credit_amount"]
        line += f", used {credit}; {order(session, told, party, product, price)}"
    Session(told["rpc"], "changefeed", {"company": told["company"]["id"]}).call(
        "ir.model.log", "search_read", [["id", ">", 0]], 0, 1, [["id", "DESC"]], ["resource"])
    return line


def order(session, told, party, product, price):
    """Creates, quotes and confirms one order; its number and state."""
    address = party["addresses"][0]
    created = session.call("sale.sale", "create", [{
        "party": party["id"], "reference": f"CHECK-{datetime.datetime.now():%H%M%S}", "company": told["company"]["id"],
        "currency": told["currency"]["id"], "price_list": party["sale_price_list"],
        "warehouse": next(iter(told["sites"].values())), "invoice_address": address, "shipment_address": address,
        "payment_term": party["customer_payment_term"],
        "lines": [["create", [{
            "product": product["id"], "quantity": QUANTITY, "unit": told["units"]["EA"]["id"],
            "unit_price": decimal(price), "taxes": [["add", [told["tax"]]]]}]]],
    }])
    session.call("sale.sale", "quote", created)
    session.call("sale.sale", "confirm", created)
    read = session.call("sale.sale", "read", created, ["number", "state", "untaxed_amount", "total_amount"])[0]
    amounts = f"{read['untaxed_amount']}, with tax {read['total_amount']}"
    return f"order {read['number']} (id {read['id']}) is {read['state']}, {amounts}"
