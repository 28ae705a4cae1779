"""A shop of django-oscar: its own basket, strategy, stock and order creator behind one JSON view."""

import json
import os
from decimal import Decimal

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from oscar import INSTALLED_APPS
from oscar import defaults as oscar_defaults

here = os.path.dirname(os.path.abspath(__file__))
durable = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
own = {name: getattr(oscar_defaults, name) for name in dir(oscar_defaults) if name.startswith("OSCAR_")}
settings.configure(
    **own
    | {
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.path.join(here, "shop.sqlite3"),
                "OPTIONS": {"init_command": durable, "transaction_mode": "IMMEDIATE", "timeout": 20},
                "CONN_MAX_AGE": None,
            }
        },
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "HAYSTACK_CONNECTIONS": {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
        "INSTALLED_APPS": INSTALLED_APPS,
        "OSCAR_DEFAULT_CURRENCY": "USD",
        "OSCAR_INITIAL_ORDER_STATUS": "received",
        "ROOT_URLCONF": __name__,
        "SECRET_KEY": "of a shop on loopback",
        "SITE_ID": 1,
        "USE_TZ": True,
    }
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import transaction  # noqa: E402
from oscar.core.loading import get_class, get_model  # noqa: E402

Basket = get_model("basket", "Basket")
Product = get_model("catalogue", "Product")
Free = get_class("shipping.methods", "Free")
OrderCreator = get_class("order.utils", "OrderCreator")
OrderTotalCalculator = get_class("checkout.calculators", "OrderTotalCalculator")
Selector = get_class("partner.strategy", "Selector")
Applicator = get_class("offer.applicator", "Applicator")


def seed(items):
    """A buyer, and products with a price and plenty of stock."""
    get_user_model().objects.create_user("acme", "acme@example.com")
    kind = get_model("catalogue", "ProductClass").objects.create(name="part", requires_shipping=True, track_stock=True)
    partner = get_model("partner", "Partner").objects.create(name="EAST")
    for number in range(1, items + 1):
        item = f"SKU-{number:04}"
        product = Product.objects.create(product_class=kind, title=item, upc=item)
        get_model("partner", "StockRecord").objects.create(
            partner=partner,
            product=product,
            partner_sku=item,
            price=Decimal(250 + number * 7) / 100,
            price_currency="USD",
            num_in_stock=1_000_000_000,
        )


def up(request):
    return JsonResponse({})


@transaction.atomic
def orders(request):
    asked = json.loads(request.body)
    buyer = get_user_model().objects.get(username="acme")
    request.user = buyer
    basket = Basket.objects.create(owner=buyer)
    basket.strategy = Selector().strategy(request=request, user=buyer)
    for line in asked["lines"]:
        product = Product.objects.get(upc=line["item"])
        quantity = int(line["quantity"]["value"])
        allowed, why = basket.strategy.fetch_for_product(product).availability.is_purchase_permitted(quantity)
        if not allowed:
            return JsonResponse({"why": str(why)}, status=422)
        basket.add_product(product, quantity)
    Applicator().apply(basket, buyer, request)
    method = Free()
    charge = method.calculate(basket)
    order = OrderCreator().place_order(
        basket=basket,
        total=OrderTotalCalculator().calculate(basket, charge),
        shipping_method=method,
        shipping_charge=charge,
        user=buyer,
        order_number=asked["purchase_order_number"],
    )
    basket.submit()
    return JsonResponse({"order_id": order.pk, "total": str(order.total_excl_tax)}, status=202)


urlpatterns = [path("up", up), path("orders", orders)]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    seed(200)
