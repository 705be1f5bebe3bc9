"""Wildberries: product lists of its catalog and search, product cards, and the category menu.

- WB-V1 is a product of the lists until 2024 (priceU, salePriceU), and WB-V4 one of the lists since
  then (prices inside sizes). A document is a whole response, or an object of captures by name, each
  {url, response}.
- WB-CARD is the static card.json with its price-history.json, alone or together with a list.
- WB-MENU is the category tree of main-menu-ru-ru.

All amounts are in hundredths of the currency, such as kopecks.
"""

from ecommerce.platforms import wildberries_cards, wildberries_lists, wildberries_menu

SHAPES = (wildberries_cards.SHAPE, *wildberries_lists.SHAPES, wildberries_menu.SHAPE)
