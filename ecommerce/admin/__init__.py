"""The pages of the e-commerce database. Django imports this package when it starts.

The order of the registrations is the order of the navigation.
"""

from django.contrib import admin

from ecommerce.admin.price_history import PricePointAdmin
from ecommerce.admin.products import OfferAdmin, ProductAdmin
from ecommerce.admin.sellers import CategoryAdmin, SellerAdmin
from ecommerce.models import (
    Category,
    ExchangeRate,
    LoadRun,
    Offer,
    PricePoint,
    Product,
    QuarantinedRecord,
    RawPayload,
    Seller,
)
from marketplace.admin_site.common_tables import (
    ExchangeRateAdmin,
    LoadRunAdmin,
    QuarantineAdmin,
    RawPayloadAdmin,
)

admin.site.register(Product, ProductAdmin)
admin.site.register(Offer, OfferAdmin)
admin.site.register(PricePoint, PricePointAdmin)
admin.site.register(Category, CategoryAdmin)
admin.site.register(Seller, SellerAdmin)
admin.site.register(LoadRun, LoadRunAdmin)
admin.site.register(QuarantinedRecord, QuarantineAdmin)
admin.site.register(RawPayload, RawPayloadAdmin)
admin.site.register(ExchangeRate, ExchangeRateAdmin)
