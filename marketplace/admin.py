"""The pages of accounts and groups. Django imports this module when it starts."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold import admin as unfold
from unfold import forms

from marketplace.admin_site.query_validation import QueryValidationMixin
from marketplace.models import ApiToken

if TYPE_CHECKING:
    # unfold has no types. Its classes derive from these.
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    DjangoUserAdmin: TypeAlias = auth.UserAdmin[User]
else:
    ModelAdmin = unfold.ModelAdmin
    DjangoUserAdmin = auth.UserAdmin

admin.site.index_title = "Databases"

# Django's own pages do not validate the query, and lack the style of the others.
admin.site.unregister((User, Group))


@admin.register(User)
class UserAdmin(QueryValidationMixin, DjangoUserAdmin, ModelAdmin):
    """Accounts that can log in to the admin."""

    icon = "person"
    form = forms.UserChangeForm
    add_form = forms.UserCreationForm
    change_password_form = forms.AdminPasswordChangeForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow only superusers to change superusers: who sets a password can log in with it."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow only superusers to delete superusers."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Allow only superusers to grant superuser status and single permissions."""
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_superuser", "user_permissions")


@admin.register(Group)
class GroupAdmin(QueryValidationMixin, auth.GroupAdmin, ModelAdmin):
    """Groups of accounts with the same permissions."""

    icon = "group"


@admin.register(ApiToken)
class ApiTokenAdmin(QueryValidationMixin, ModelAdmin):
    """Tokens of the HTTP API. The command `api_token` creates them; deleting one revokes it."""

    icon = "key"
    list_display = ("user", "name", "created_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("user__username", "name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Forbid adding: only the command shows the token."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forbid changes."""
        return False
