"""What a reader can play with: fields as data, and the JavaScript that shows them. lib.play.widgets needs anywidget."""

from .fields import VIEWS as VIEWS
from .fields import Sample as Sample
from .fields import disentangle_fields as disentangle_fields
from .fields import of_experiment as of_experiment
from .fields import page_script as page_script
from .fields import picture as picture
from .fields import players_fields as players_fields
from .fields import script as script
from .fields import style as style
from .fields import unpage as unpage
from .training import training_fields as training_fields
