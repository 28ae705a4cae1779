"""The users: a gateway with the rights of a clerk in its system, and a reader of the change log."""

from names import USERS

# What the gateway's user may do, by role; without a group a model can be read where Tryton says nothing else.
GROUPS = {
    # The administrators of sales alone may carry on an order that a crash left confirmed and not processed.
    "erp": ["sale.group_sale", "sale.group_sale_admin", "sale_amendment.group_sale_amendment", "account.group_account",
            # Who is not in it is refused an order that Tryton thinks short; who is gets a warning.
            "stock.group_stock", "sale_stock_quantity.group_sale_stock_quantity"],
    "wms": ["stock.group_stock", "stock.group_stock_cancellation"],
    "crm": ["sale_opportunity.group_opportunity", "sale.group_sale", "party.group_party_admin"],
}
GROUPS["erp2"] = GROUPS["erp"]


def users(load):
    """Both users, in English, for the company; what the CRM needs for complaints."""
    language = load.find("ir.lang", [("code", "=", "en")])
    common = {
        "company": load.company, "companies": [("add", [load.company])], "employee": load.employee,
        "employees": [("add", [load.employee])], "language": language}
    groups = [load.xml(name) for name in GROUPS[load.role]]
    load.create("res.user", [
        {"name": "Gateway", **USERS["gateway"], "groups": [("add", groups)], **common},
        # Tryton shows the whole of `ir.model.log` to administrators alone.
        {"name": "Change feed", **USERS["changefeed"], "administrator": True, **common},
    ])
    if load.role == "crm":
        load.create("sale.complaint.type", [
            {"name": name, "origin": load.find("ir.model", [("name", "=", model)])}
            for name, model in (("Order", "sale.sale"), ("Order line", "sale.line"))])
