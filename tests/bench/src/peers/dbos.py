"""An order as five durable steps, each trivial: what is measured is what DBOS does to keep them."""

import sys

import uvicorn
from dbos import DBOS, SetWorkflowID
from fastapi import FastAPI, Header

port, database = sys.argv[1:]
app = FastAPI()
DBOS(config={"name": "orders", "system_database_url": database, "log_level": "WARNING"})


def price(item):
    return 250 + int(item[-4:]) * 7


@DBOS.step()
def validate(order):
    if not order["purchase_order_number"] or not order["lines"]:
        raise ValueError("an order has a number and lines")
    return [{"item": line["item"], "quantity": int(line["quantity"]["value"])} for line in order["lines"]]


@DBOS.step()
def priced(lines):
    return [line | {"cents": line["quantity"] * price(line["item"])} for line in lines]


@DBOS.step()
def promised(lines):
    return [{"item": line["item"], "quantity": line["quantity"], "site": "EAST"} for line in lines]


@DBOS.step()
def credit(lines):
    return sum(line["cents"] for line in lines)


@DBOS.step()
def accept(number, total, promises):
    return {"number": number, "status": "received", "total": total, "promised": promises}


@DBOS.workflow()
def place(order):
    lines = priced(validate(order))
    promises = promised(lines)
    return accept(order["purchase_order_number"], credit(lines), promises)


@app.get("/up")
def up():
    return "up"


@app.post("/orders", status_code=202)
def orders(order: dict, idempotency_key: str = Header()):
    with SetWorkflowID(idempotency_key):
        return place(order)


if __name__ == "__main__":
    DBOS.launch()
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
