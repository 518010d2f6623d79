"""The attributes that AttGAN moves, and the crop that it works on."""

#: The 13 attributes in the published order. A vector of them is (..., 13) with positive = has it.
ATTRIBUTES = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "No_Beard",
    "Pale_Skin",
    "Young",
)
MALE = ATTRIBUTES.index("Male")
#: Sides of an aligned crop in pixels.
CROP_SIZE = 128
