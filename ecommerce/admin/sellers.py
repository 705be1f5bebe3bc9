"""The pages of sellers and categories."""

from django.contrib import admin

from ecommerce.models import Category, Offer, Product, Seller
from marketplace.admin_site import elements, formatting
from marketplace.admin_site.filters import PlatformFilter, RangeFilter, choice
from marketplace.admin_site.read_only import IDENTITY, LIFECYCLE, Panel, ReadOnlyAdmin


class CategoryAdmin(ReadOnlyAdmin):
    """Nodes of the category trees."""

    icon = "account_tree"
    list_display = ("name", "platform", "level", "path_names", "product_count", "last_seen_at")
    list_filter = (PlatformFilter, ("level", RangeFilter))
    sortable = ("name", "level", "product_count")
    search_vector = "search_vector"
    search_help_text = "Words of the name, or the id"
    detail_related = ("parent",)
    fieldsets = (
        ("Category", {"fields": ("name", "name_ru", "name_uz", "name_en", "url")}),
        ("Position in the tree", {"fields": ("parent", "level", "path_names", "path_ids")}),
        ("Identification", {"fields": (*IDENTITY, "product_count", "products")}),
        ("Timestamps", {"fields": LIFECYCLE}),
    )

    @admin.display(description="products")
    def products(self, obj: Category) -> str:
        """Return a link to the products of the category."""
        url = elements.list_url(Product, category__id__exact=obj.pk)
        return elements.link(url, "Products in this category")


class SellerAdmin(ReadOnlyAdmin):
    """Shops."""

    icon = "storefront"
    list_display = (
        "title",
        "platform",
        "rating",
        "review_count",
        "order_count",
        "product_count",
        "is_official",
        "last_seen_at",
    )
    list_filter = (
        PlatformFilter,
        choice("is_official"),
        choice("is_verified"),
        ("rating", RangeFilter),
    )
    sortable = ("rating", "review_count", "order_count", "product_count")
    search_names = ("name",)
    search_help_text = "Part of the name, or the id"
    fieldsets = (
        ("Seller", {"fields": ("name", "slug", "link", "products", "offers")}),
        ("Identification", {"fields": (*IDENTITY, "registered_at")}),
        ("Status", {"fields": ("is_official", "is_verified", "is_active")}),
        ("Timestamps", {"fields": LIFECYCLE}),
    )

    @admin.display(description="name")
    def title(self, obj: Seller) -> str:
        """Return the name, or the id of a seller without one."""
        return elements.clip(obj.name or f"Seller {obj.external_id}", 60)

    @admin.display(description="products")
    def products(self, obj: Seller) -> str:
        """Return a link to the products of the seller."""
        url = elements.list_url(Product, seller__id__exact=obj.pk)
        return elements.link(url, "Products of this seller")

    @admin.display(description="offers")
    def offers(self, obj: Seller) -> str:
        """Return a link to the offers of the seller."""
        url = elements.list_url(Offer, seller__id__exact=obj.pk)
        return elements.link(url, "Offers of this seller")

    def figures(self, obj: Seller) -> list[tuple[str, str]]:
        """Return the rating and the counts."""
        return [
            ("Rating", formatting.number(obj.rating, 2)),
            ("Reviews", formatting.number(obj.review_count)),
            ("Orders", formatting.number(obj.order_count)),
            ("Products", formatting.number(obj.product_count)),
        ]

    def panels(self, obj: Seller) -> list[Panel]:
        """Return the description and the attributes."""
        return [
            Panel("Description", elements.paragraphs(obj.description)),
            Panel("Attributes", elements.as_json(obj.attributes), is_folded=True),
        ]
