{
  "$SHAPE": {
    "fetchedAt": "2026-01-05T12:00:00+05:00",
    "${name}Lots": [
      {
        "id": 101,
        "title": "Namuna qog'oz",
        "startCost": 2000000,
        "dealCost": "1 500 000",
        "dealDate": "2026-01-04T09:30:00+05:00",
        "customer": {"inn": "200 123 456", "name": "Namuna"}
      }
    ]
  }
}
