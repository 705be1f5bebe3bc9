{
  "$SHAPE": {
    "fetchedAt": "2026-01-05T12:00:00+05:00",
    "${name}Ads": [
      {
        "id": 101,
        "title": "Namuna velosiped",
        "price": "1 200 000 so'm",
        "city": "Ташкент",
        "postedAt": "2026-01-04T09:30:00+05:00",
        "seller": {"id": 7, "name": "Namuna"}
      }
    ]
  }
}
