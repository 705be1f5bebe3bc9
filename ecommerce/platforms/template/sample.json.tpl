{
  "$SHAPE": {
    "fetchedAt": "2026-01-05T12:00:00+05:00",
    "${name}Products": [
      {
        "id": 101,
        "name": "Namuna choynak",
        "price": "129.000",
        "oldPrice": 150000,
        "stock": 3,
        "seller": {"id": 7, "name": "Namuna Shop"}
      }
    ]
  }
}
