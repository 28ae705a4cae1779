"""Names that the loader, the command and the tests share: systems, users, defaults. Loopback only, so no secrets."""

# The systems, in order: the ids of the n-th start at n times ID_STEP.
ROLES = ("erp", "erp2", "wms", "crm")
ID_STEP = 100_000
USERS = {
    "gateway": {"login": "gateway", "password": "gateway-Orderway-1"},
    "changefeed": {"login": "changefeed", "password": "changefeed-Orderway-1"},
}
ADMIN = {"login": "admin", "password": "admin-Orderway-1"}
