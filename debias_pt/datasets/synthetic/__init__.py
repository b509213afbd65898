"""The miniatures: synthetic worlds drawn by code, and how the small model for them was pretrained."""
