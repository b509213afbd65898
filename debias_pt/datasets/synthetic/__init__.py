"""The miniature: synthetic worlds drawn by code, and how the small model that knows them was pretrained."""
