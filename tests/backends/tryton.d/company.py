"""The selling company: its party, chart of accounts, fiscal years, tax and payment terms."""

import datetime
from decimal import Decimal

from proteus import Model
from trytond.modules.account.tests.tools import create_chart, get_accounts
from trytond.modules.company.tests.tools import create_company
from trytond.modules.currency.tests.tools import get_currency

# The seed has no tax; one that is not 0 shows an order that was sent without it.
SALES_TAX = Decimal("0.07")


def company(load):
    """The company, in the currency of the seed and in UTC; an employee for whom the users act."""
    described = load.seed["company"]
    currency = get_currency(described["currency"])
    party, = Model.get("party.party").find([("id", "=", load.create("party.party", [
        {"name": described["name"], "code": described["id"]}])[0])])
    create_company(party=party, currency=currency)
    load.currency = currency.id
    load.company = load.find("company.company", [("party", "=", party.id)])
    load.call("company.company", "write", [load.company], {"timezone": "UTC"})
    load.company_party = party.id
    person, = load.create("party.party", [{"name": "Orderway", "code": "ORDERWAY"}])
    load.employee, = load.create("company.employee", [{"party": person, "company": load.company}])


def books(load):
    """The chart of accounts, a fiscal year on each side of the day of the seed, and the sales tax."""
    record = Model.get("company.company")(load.company)
    create_chart(record)
    load.accounts = {kind: account.id for kind, account in get_accounts(record).items()}
    strict = {}
    for name in ("Account Move", "Invoice"):
        strict[name] = load.find("ir.sequence.type", [("name", "=", name)])
    for year in range(load.today.year - 1, load.today.year + 2):
        fiscal_year(load, year, strict)
    load.tax, = load.create("account.tax", [{
        "name": "Sales tax", "description": "Sales tax", "type": "percentage", "rate": SALES_TAX,
        "company": load.company,
        "invoice_account": load.accounts["tax"], "credit_note_account": load.accounts["tax"],
    }])
    load.accounting_category, = load.create("product.category", [{
        "name": "Goods", "accounting": True, "customer_taxes": [("add", [load.tax])],
        "account_expense": load.accounts["expense"], "account_revenue": load.accounts["revenue"],
    }])


def fiscal_year(load, year, types):
    """An open calendar year with monthly periods; all invoices share one sequence."""
    moves, invoices = (
        load.create("ir.sequence.strict", [
            {"name": f"{name} {year}", "sequence_type": types[name], "company": load.company}])[0]
        for name in ("Account Move", "Invoice"))
    fields = ("out_invoice_sequence", "in_invoice_sequence", "out_credit_note_sequence", "in_credit_note_sequence")
    created = load.create("account.fiscalyear", [{
        "name": str(year), "company": load.company, "move_sequence": moves,
        "start_date": datetime.date(year, 1, 1), "end_date": datetime.date(year, 12, 31),
        "invoice_sequences": [("create", [{field: invoices for field in fields} | {"company": load.company}])],
    }])
    load.call("account.fiscalyear", "create_period", created)


def terms(load):
    """One payment term a code of the seed."""
    days = {account["payment_terms"]: account["payment_days"] for account in load.seed["accounts"]}
    created = load.create("account.invoice.payment_term", [{
        "name": code,
        "lines": [("create", [{"type": "remainder", "relativedeltas": [("create", [{"days": count}])]}])],
    } for code, count in days.items()])
    load.terms = dict(zip(days, created))
    load.call("sale.configuration", "write", [1], {
        "sale_invoice_method": "fulfillment", "sale_shipment_method": "order",
        # Otherwise every order needs a carrier, and gets a line for freight.
        "sale_shipment_cost_method": None})
