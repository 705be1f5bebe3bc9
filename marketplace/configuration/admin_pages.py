"""The admin's pages: their content security policy and unfold's configuration."""

from typing import Any

from csp import constants as csp

#: The sources that a page may load. Inline scripts need the nonce of the page.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [csp.SELF],
        # unfold's Alpine.js evaluates expressions in templates.
        "script-src": [csp.SELF, csp.NONCE, csp.UNSAFE_EVAL],
        "style-src": [csp.SELF, csp.NONCE],
        # unfold's Alpine.js sets the width of a list's actions in a style attribute.
        "style-src-attr": [csp.UNSAFE_INLINE],
        # Product images are loaded from the platforms' servers.
        "img-src": [csp.SELF, "data:", "https:", "http:"],
        "object-src": [csp.NONE],
        "base-uri": [csp.SELF],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Marketplace analytics",
    "SITE_HEADER": "Marketplace analytics",
    "SITE_SYMBOL": "monitoring",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SITE_URL": None,
    "DASHBOARD_CALLBACK": "marketplace.admin_site.front_page.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "marketplace.admin_site.front_page.navigation"},
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": "marketplace.admin_site.front_page.favicon",
        }
    ],
    "COLORS": "marketplace.admin_site.front_page.colors",
    "STYLES": [
        "marketplace.admin_site.front_page.theme",
        "marketplace.admin_site.front_page.stylesheet",
    ],
    "SCRIPTS": [
        "marketplace.admin_site.front_page.script",
        "marketplace.admin_site.front_page.chart_script",
    ],
}
