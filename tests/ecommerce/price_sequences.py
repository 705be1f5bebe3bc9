"""Random observations of an offer, and the stored prices."""

from tests.ecommerce import price_model
from tests.ecommerce.observing import HOUR, START, seen, sold_out


def prices():
    return [(round((point.at - START) / HOUR), int(point.price)) for point in price_model.stored()]


def sequence(generator, length=12):
    """Return random observations in chronological order, across the end of a month."""
    observations, hour = [], -20
    for _ in range(generator.randint(2, length)):
        hour += generator.randint(1, 12)
        if generator.random() < 0.15:
            observations.append(sold_out(hour))
            continue
        price = generator.choice([1, 95, 100, 100, 100, 100, 104, 900, 1000, 1040, 10_000])
        available = generator.choice([None, None, True, False])
        fields = {
            "currency": generator.choice(["UZS"] * 9 + ["USD"]),
            "available": available,
            "amount": None if available is None else generator.randint(1, 9) * available,
        }
        observations.append(
            seen(hour, price, generator.choice([None, None, None, 20_000]), **fields)
        )
    return observations
