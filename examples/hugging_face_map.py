"""Anonymize the pictures of a Hugging Face data set with `map`.

    python examples/hugging_face_map.py

For a data set that is saved on disk there is also `deid dataset FOLDER -o OUT`, which resumes and keeps a ledger.
"""

from datasets import Dataset, Features, Image, Value
from PIL import Image as PillowImage
from skimage import data

from deid import Options
from deid.transforms import AnonymizeColumns

if __name__ == "__main__":
    people = PillowImage.fromarray(data.astronaut()).resize((256, 256))
    features = Features({"image": Image(), "caption": Value("string")})
    dataset = Dataset.from_dict({"image": [people], "caption": ["an astronaut"]}, features=features)

    anonymous = dataset.map(AnonymizeColumns("image", options=Options(method="blur")), features=features)

    print(anonymous[0]["caption"], anonymous[0]["image"].size)
    anonymous[0]["image"].save("hugging_face.png")
    print("hugging_face.png")
